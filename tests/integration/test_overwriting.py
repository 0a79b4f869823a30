"""No output is written over what the run reads, by whatever name."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import bundled
from tests.conftest import ROOT, SAMPLES, Cli, one_line_error, run_shell
from tests.rows import rows

PICTURE = SAMPLES / "7-mnist.png"

Made = tuple[Path, list[str | Path]]
"""The file that must stay, and the arguments that read it."""


def archive(folder: Path) -> Made:
    path = folder / "in.tar"
    with tarfile.open(path, "w") as file:
        file.add(PICTURE, "a.png")
    return path, [path]


def zipped(folder: Path) -> Made:
    path = folder / "in.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(PICTURE, "a.png")
    return path, [path]


def array(folder: Path) -> Made:
    path = folder / "in.npy"
    np.save(path, np.zeros((2, 28, 28), np.uint8))
    return path, [path]


def idx(folder: Path) -> Made:
    path = folder / "t10k-images-idx3-ubyte.gz"
    shutil.copy(SAMPLES / "MNIST" / "raw" / path.name, path)
    return path, [path]


def name_list(folder: Path) -> Made:
    path = folder / "list.txt"
    path.write_text(f"{PICTURE}\n")
    return path, ["--files-from", path]


def model(folder: Path) -> Made:
    path = folder / "m.onnx"
    shutil.copy(ROOT / "models" / "mnist-edge-int8.onnx", path)
    return path, [PICTURE, "--model", path]


def picture(folder: Path) -> Made:
    path = folder / "a.png"
    shutil.copy(PICTURE, path)
    return path, [path]


def picture_in_a_folder(folder: Path) -> Made:
    path, _ = picture(folder)
    return path, [PICTURE, folder]


def picture_deep_in_a_folder(folder: Path) -> Made:
    deep = folder / "b" / "c"
    deep.mkdir(parents=True)
    path, _ = picture(deep)
    return path, [folder, "--recursive"]


def picture_of_a_glob(folder: Path) -> Made:
    path, _ = picture(folder)
    return path, [folder / "*.png"]


def picture_in_a_list(folder: Path) -> Made:
    path, _ = picture(folder)
    names = folder / "list"
    names.write_text(f"{PICTURE}\n" * 300 + f"{path}\n")
    return path, ["--files-from", names]


def folder_in_a_list(folder: Path) -> Made:
    path, _ = picture(folder)
    names = folder / "list"
    names.write_text(f"{folder}\n")
    return path, ["--files-from", names]


INPUTS = [
    *(archive, zipped, array, idx, name_list, model, picture, picture_in_a_folder),
    *(picture_deep_in_a_folder, picture_of_a_glob, picture_in_a_list, folder_in_a_list),
]


def itself(path: Path, _: Path) -> Path:
    return path


def link(path: Path, output: Path) -> Path:
    output.symlink_to(path)
    return output


def hard_link(path: Path, output: Path) -> Path:
    output.hardlink_to(path)
    return output


def partial_of(path: Path, output: Path) -> Path:
    """The input is what the partial file of the output leads to."""
    output.with_name(f"{output.name}.partial").symlink_to(path)
    return output


@pytest.mark.parametrize(
    "way",
    [
        itself,
        *(pytest.param(way, marks=pytest.mark.slow) for way in (link, hard_link, partial_of)),
    ],
)
@pytest.mark.parametrize("make", INPUTS)
def test_output_over_an_input_is_refused(
    cli: Cli, tmp_path: Path, make: Callable[[Path], Made], way: Callable[[Path, Path], Path]
) -> None:
    (tmp_path / "in").mkdir()
    path, arguments = make(tmp_path / "in")
    before = path.read_bytes()
    output = way(path, tmp_path / "out.jsonl")
    files = sorted(tmp_path.rglob("*"))
    done = cli("predict", *arguments, "--format", "jsonl", "--output", output)
    assert "would overwrite" in one_line_error(done, 2)
    assert done.stdout == ""
    assert path.read_bytes() == before
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.parametrize("kind", ["table", "json", "csv"])
def test_every_format_is_refused(cli: Cli, tmp_path: Path, kind: str) -> None:
    path, arguments = archive(tmp_path)
    before = path.read_bytes()
    done = cli("predict", *arguments, "--format", kind, "--output", path)
    assert "would overwrite" in one_line_error(done, 2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["x", "x.partial"])
@pytest.mark.parametrize("how", ["- < {}", "--files-from - < {}", "--files-from - <<< {}"])
def test_file_on_stdin_is_not_overwritten(tmp_path: Path, how: str, name: str) -> None:
    path = tmp_path / name
    shutil.copy(PICTURE, path)
    arguments = how.format(path)
    done = run_shell(f"mnist-edge predict --format csv --output {tmp_path}/x {arguments}")
    assert "would overwrite" in one_line_error(done, 2)
    assert path.read_bytes() == PICTURE.read_bytes()


def test_bundled_model_is_not_overwritten(
    cli_in_process: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Copies: a failure must not cost the installation its model.
    models = shutil.copytree(ROOT / "models", tmp_path / "models")
    path = models / "mnist-edge-int8.onnx"
    monkeypatch.setattr(bundled, "_models_folder", lambda: models)
    output = tmp_path / "link"
    output.symlink_to(path)
    before = path.read_bytes()
    done = cli_in_process("predict", PICTURE, "--output", output)
    assert "would overwrite" in one_line_error(done, 2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("option", ["--output", "--plot"])
@pytest.mark.parametrize("read", ["--model", "--baseline", "--image"])
def test_bench_does_not_write_over_what_it_reads(
    cli_in_process: Cli, tmp_path: Path, option: str, read: str
) -> None:
    path = tmp_path / "file"
    shutil.copy(ROOT / "models" / "mnist-edge-int8.onnx", path)
    before = path.read_bytes()
    done = cli_in_process("bench", read, path, option, path)
    assert "would overwrite" in one_line_error(done, 2)
    assert path.read_bytes() == before


def test_earlier_output_is_replaced(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        done = cli("predict", PICTURE, "--format", "jsonl", "--output", output)
        assert (done.returncode, done.stderr) == (0, "")
    assert len(rows(output.read_text())) == 1


class TestFolders:
    @pytest.mark.parametrize("linked", [False, True])
    def test_sorting_into_the_folder_that_is_read_changes_no_picture(
        self, cli: Cli, tmp_path: Path, linked: bool
    ) -> None:
        read = tmp_path / "read"
        for name in ("7", "1", "unsure"):
            (read / name).mkdir(parents=True)
        for sample in ("7-pen.png", "1-pen.png"):
            for folder in ("7", "1", "."):
                shutil.copy(SAMPLES / sample, read / folder)
        (read / "1" / "again.png").symlink_to("again.png")
        target = tmp_path / "link"
        target.symlink_to(read)
        before = {path: path.read_bytes() for path in read.rglob("*.png") if path.exists()}
        for into in (read, target):
            options = ("--sort-into", into, *(["--link"] if linked else []))
            done = cli("predict", read, read / "7", read / "1", *options)
            assert "Traceback" not in done.stderr
        assert {path: path.read_bytes() for path in before} == before

    @pytest.mark.parametrize("way", ["7-mnist.png", "link", "hard link"])
    def test_preview_over_a_picture_is_refused(self, cli: Cli, tmp_path: Path, way: str) -> None:
        seen = tmp_path / "seen"
        seen.mkdir()
        path = seen / "7-mnist.png"
        shutil.copy(SAMPLES / "7-pen.png", path)
        read: list[Path] = [PICTURE, path]
        if way == "link":
            (tmp_path / "other.png").symlink_to(path)
            read = [PICTURE, tmp_path / "other.png"]
        elif way == "hard link":
            (tmp_path / "other.png").hardlink_to(path)
            read = [PICTURE, tmp_path / "other.png"]
        done = cli("predict", *read, "--save-preprocessed", seen)
        assert done.returncode == 2
        assert "would overwrite" in done.stderr
        assert path.read_bytes() == (SAMPLES / "7-pen.png").read_bytes()
        assert list(seen.iterdir()) == [path]

    def test_earlier_previews_are_replaced(self, cli: Cli, tmp_path: Path) -> None:
        for _ in range(2):
            done = cli("predict", PICTURE, "--save-preprocessed", tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
        assert len(list(tmp_path.iterdir())) == 2
