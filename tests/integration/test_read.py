"""`mnist-edge read` as a person or a script meets it: results, formats, exit codes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge.bundled import bundled_number_models
from tests.conftest import Cli, Digits, run_shell
from tests.rows import READING_VALIDATOR, rows

pytestmark = pytest.mark.skipif(
    not bundled_number_models(), reason="this checkout has no models/numbers"
)


@pytest.fixture(scope="module")
def strip(train_digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Five of MNIST's training images side by side, and what they say."""
    images, labels = train_digits
    path = tmp_path_factory.mktemp("strips") / "strip.png"
    Image.fromarray(np.concatenate(images[:5], axis=1)).save(path)
    return path, "".join(map(str, labels[:5]))


def test_formats_agree_and_follow_the_schema(cli: Cli, strip: tuple[Path, str]) -> None:
    path, text = strip
    done = {kind: cli("read", path, "--format", kind) for kind in ("table", "json", "jsonl", "csv")}
    assert {one.returncode for one in done.values()} == {0}
    assert {one.stderr for one in done.values()} == {""}
    (record,) = rows(done["jsonl"].stdout)
    READING_VALIDATOR.validate(record)
    assert json.loads(done["json"].stdout) == [record]
    assert record["text"] == text
    (row,) = csv.DictReader(io.StringIO(done["csv"].stdout))
    assert row["text"] == text
    assert done["table"].stdout.splitlines()[1].split()[0] == text


def test_boxes_are_around_the_digits(cli: Cli, strip: tuple[Path, str]) -> None:
    (record,) = rows(cli("read", strip[0], "--format", "jsonl").stdout)
    for place, digit in enumerate(record["numbers"][0]["digits"]):
        left, _, right, _ = digit["box"]
        assert 28 * place < (left + right) / 2 < 28 * (place + 1)


def test_a_picture_without_a_number_costs_a_row_and_a_line(
    cli: Cli, strip: tuple[Path, str], tmp_path: Path
) -> None:
    Image.new("L", (200, 90), 255).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("this is text")
    shutil.copy(strip[0], tmp_path / "a.png")
    done = cli("read", tmp_path, "--format", "jsonl", "--summary")
    assert done.returncode == 1
    records = rows(done.stdout)
    assert [record["text"] for record in records] == [strip[1], None, None]
    for record in records[1:]:
        assert f"mnist-edge: {record['error']}" in done.stderr
    assert "3 pictures, 2 without a number" in done.stderr


def test_constraints_decide(cli: Cli, strip: tuple[Path, str], tmp_path: Path) -> None:
    path, text = strip
    choices = tmp_path / "choices.txt"
    choices.write_text(f"12345\n{text}\n")
    assert cli("read", path, "--choices", choices, "--length", "5").stdout.split()[3] == text
    refused = cli("read", path, "--length", "9", "--format", "jsonl")
    assert refused.returncode == 1
    assert f"looks like {text}" in rows(refused.stdout)[0]["error"]
    for wrong in (("--length", "x"), ("--pattern", "["), ("--choices", "missing.txt")):
        done = cli("read", path, *wrong)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_output_is_resumed(cli: Cli, strip: tuple[Path, str], tmp_path: Path) -> None:
    folder, target = tmp_path / "in", tmp_path / "numbers.jsonl"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(strip[0], folder / f"{name}.png")
    options = ("--format", "jsonl", "--output", target)
    assert cli("read", folder, *options).returncode == 0
    whole = target.read_bytes()
    target.unlink()
    (tmp_path / "numbers.jsonl.partial").write_bytes(whole.splitlines(keepends=True)[0])
    assert cli("read", folder, *options, "--resume").returncode == 0
    assert target.read_bytes() == whole


def test_workers_change_nothing(cli: Cli, samples: Path) -> None:
    one, two = (
        cli("read", samples / "numbers", "--format", "jsonl", "--workers", count)
        for count in ("1", "2")
    )
    assert one.returncode == two.returncode == 0
    assert one.stdout == two.stdout
    assert len(one.stdout.splitlines()) >= 12


def test_a_reader_that_has_seen_enough_is_no_error(samples: Path) -> None:
    done = run_shell(f"mnist-edge read {samples}/numbers --format csv | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("path,")


def test_output_never_replaces_the_choices(
    cli: Cli, strip: tuple[Path, str], tmp_path: Path
) -> None:
    choices = tmp_path / "choices.txt"
    choices.write_text("12\n")
    done = cli("read", strip[0], "--choices", choices, "--output", choices)
    assert done.returncode == 2
    assert choices.read_text() == "12\n"


def test_boxes_are_drawn_over_the_picture(
    cli: Cli, strip: tuple[Path, str], tmp_path: Path
) -> None:
    done = cli("read", strip[0], "--show", "--save-preprocessed", tmp_path / "boxes")
    assert strip[1] in done.stderr
    with Image.open(tmp_path / "boxes/strip.png") as drawing:
        assert drawing.width >= 640
        pixels = np.asarray(drawing.convert("RGB")).reshape(-1, 3)
    assert (pixels == (0, 150, 60)).all(axis=1).any()


def test_predict_names_the_number_where_there_are_several_digits(
    cli: Cli, train_digits: Digits, tmp_path: Path
) -> None:
    images, labels = train_digits
    page = np.full((200, 300), 255, np.uint8)
    page[80:108, 80:220] -= np.concatenate(images[:5], axis=1)
    Image.fromarray(page).resize((900, 600)).save(tmp_path / "page.png")
    done = cli("predict", tmp_path / "page.png", "--format", "jsonl")
    assert done.returncode == 1
    (record,) = rows(done.stdout)
    assert record["digit"] is None
    text = "".join(map(str, labels[:5]))
    assert f"several digits (looks like {text}); use `mnist-edge read`" in record["error"]
