"""`--shard`: all shards together give the rows of the whole."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from tests.conftest import Cli, Digits

COUNT = 40


def write_folder(folder: Path, images: np.ndarray) -> list[str]:
    (folder / "scans").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "scans" / f"{number}.png")
    return ["scans"]


def write_list(folder: Path, images: np.ndarray) -> list[str]:
    write_folder(folder, images)
    names = sorted(str(path.relative_to(folder)) for path in (folder / "scans").iterdir())
    (folder / "names.txt").write_text("\n".join(names))
    return ["--files-from", "names.txt"]


def write_archive(folder: Path, images: np.ndarray) -> list[str]:
    with zipfile.ZipFile(folder / "scans.zip", "w") as archive:
        for number, image in enumerate(images):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            archive.writestr(f"{number}.png", file.getvalue())
    return ["scans.zip"]


def write_array(folder: Path, images: np.ndarray) -> list[str]:
    np.save(folder / "scans.npy", images)
    return ["scans.npy"]


def write_parquet(folder: Path, images: np.ndarray) -> list[str]:
    contents = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        contents.append(file.getvalue())
    parquet.write_table(pyarrow.table({"image": contents}), folder / "scans.parquet")
    return ["scans.parquet"]


@pytest.mark.parametrize(
    "write", [write_folder, write_list, write_archive, write_array, write_parquet]
)
@pytest.mark.parametrize("command", ["predict", "read"])
def test_shards_together_are_the_whole(
    command: str,
    write: Callable[[Path, np.ndarray], list[str]],
    cli_in_process: Cli,
    test_digits: Digits,
    tmp_path: Path,
) -> None:
    sources = write(tmp_path, test_digits[0][:COUNT])
    options = ["--format", "jsonl", "--workers", "1"]
    whole = cli_in_process(command, *sources, *options, cwd=tmp_path)
    assert len(whole.stdout.splitlines()) == COUNT
    parts = []
    for shard in range(4):
        output = ["--shard", f"{shard}/4", "--output", "rows-{shard}.jsonl"]
        cli_in_process(command, *sources, *options, *output, cwd=tmp_path)
        parts.append((tmp_path / f"rows-{shard}-of-4.jsonl").read_text().splitlines())
    assert sorted(line for part in parts for line in part) == sorted(whole.stdout.splitlines())
    assert min(map(len, parts)) > 0


def test_an_interrupted_shard_is_resumed(
    cli_in_process: Cli, test_digits: Digits, tmp_path: Path
) -> None:
    write_folder(tmp_path, test_digits[0][:COUNT])
    arguments = ["predict", "scans", "--format", "jsonl", "--workers", "1", "--shard", "1/2"]
    arguments += ["--output", "{shard}.jsonl"]
    cli_in_process(*arguments, cwd=tmp_path)
    output = tmp_path / "1-of-2.jsonl"
    whole = output.read_bytes()
    lines = whole.splitlines(keepends=True)
    shutil.move(output, tmp_path / "1-of-2.jsonl.partial")
    (tmp_path / "1-of-2.jsonl.partial").write_bytes(b"".join(lines[:5]))
    # The pictures of other shards may have changed meanwhile.
    Image.fromarray(test_digits[0][50]).save(tmp_path / "scans" / "0.png")
    done = cli_in_process(*arguments, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes().splitlines()[:5] == whole.splitlines()[:5]
    assert len(output.read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "4/4"], "0/4, 1/4"),
        (["--output", "{shard}.csv", "--format", "csv"], "needs --shard"),
    ],
)
def test_wrong_shards_are_refused(
    arguments: list[str], message: str, cli_in_process: Cli, samples: Path, tmp_path: Path
) -> None:
    done = cli_in_process("predict", samples / "7-mnist.png", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
