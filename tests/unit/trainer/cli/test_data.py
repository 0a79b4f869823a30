"""`mnist-edge data`: counts and statistics as JSON and as tables, examples on a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mnist_edge import UsageError
from mnist_edge.errors import OutputError
from mnist_edge_trainer.cli.data import DataOptions, data
from tests.conftest import SAMPLES, Digits


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, str]:
    """What the command prints to stdout and stderr."""
    data(DataOptions(data=SAMPLES, **options))
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_json_has_counts_of_each_split(
    train_digits: Digits, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = run(capsys, as_json=True, val_split=10_000)
    assert err == ""
    values = json.loads(out)
    assert values["dataset"] == "mnist"
    assert values["classes"] == list("0123456789")
    splits = values["splits"]
    assert {name: split["images"] for name, split in splits.items()} == {
        "training": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    for digit in "0123456789":
        count = splits["training"]["counts"][digit] + splits["validation"]["counts"][digit]
        assert count == (train_digits[1] == int(digit)).sum()
    # The published count of ones: http://yann.lecun.com/exdb/mnist/
    assert splits["training"]["counts"]["1"] + splits["validation"]["counts"]["1"] == 6_742
    assert sum(splits["test"]["counts"].values()) == 10_000


def test_tables_have_counts_and_statistics(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys)
    assert err == ""
    lines = [line.split() for line in out.splitlines()]
    # MNIST has 6,742 ones to train on and 1,135 to test with.
    (ones,) = (line for line in lines if line[:1] == ["1"])
    assert int(ones[1].replace(",", "")) + int(ones[3]) == 6_742
    assert ones[5:] == ["1,135", "11.3%"]
    assert ["all", "55,000", "100.0%", "5,000", "100.0%", "10,000", "100.0%"] in lines
    assert ["test", "0.1325", "0.3105", "19.3%", "0.000", "1.000"] in lines


def test_terminal_shows_examples(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.setenv("NO_COLOR", "1")
    _, err = run(capsys)
    lines = err.splitlines()
    # Two rows of four digits, each of 14 lines.
    assert len(lines) == 2 * (14 + 1)
    assert max(map(len, lines)) <= 130
    assert lines[0].count("|") == 2
    # All of them as ink: most is background.
    assert sum(err.count(character) for character in "%@#") < err.count(" ") / 4
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[38;2;" in run(capsys)[1]
    assert run(capsys, as_json=True)[1] == ""


def test_output_draws_a_contact_sheet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    out, err = run(capsys, output=sheet)
    assert "55,000" in out
    assert err == f"wrote {sheet}\n"
    with Image.open(sheet) as picture:
        assert min(picture.size) > 300


def test_nothing_is_printed_where_the_sheet_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"--output .*ends in \.png"):
        run(capsys, output=tmp_path / "sheet.svg")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        run(capsys, output=tmp_path / "file" / "sheet.png")
    assert capsys.readouterr().out == ""
