"""`mnist-edge data`: counts, pixel statistics, contact sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnist_edge import UsageError
from mnist_edge.errors import OutputError
from mnist_edge_trainer.cli.data import data
from mnist_edge_trainer.data.splits import Digits, load_digits
from mnist_edge_trainer.data.stats import draw_contact_sheet, pixel_statistics
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def training() -> Digits:
    return load_digits(SAMPLES, "train")


def test_statistics_of_mnist_are_the_known_ones(training: Digits) -> None:
    pixels = pixel_statistics(training)
    # What everybody normalises MNIST with.
    assert round(pixels.mean, 4) == 0.1307
    assert round(pixels.std, 4) == 0.3081
    assert (pixels.minimum, pixels.maximum) == (0, 1)
    assert pixels.ink == pytest.approx((training.images > 0).float().mean().item(), abs=1e-6)


def test_statistics_are_torchs(training: Digits) -> None:
    some = Digits(training.images[:30] // 2 + 20, training.labels[:30])
    pixels = pixel_statistics(some)
    values = some.images.double() / 255
    assert pixels.mean == pytest.approx(values.mean().item())
    assert pixels.std == pytest.approx(values.std(correction=0).item())
    assert (pixels.minimum, pixels.maximum) == (values.min().item(), values.max().item())
    assert pixels.ink == 1


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, str]:
    wanted = {"dataset": "mnist", "data": SAMPLES, "val_split": None, "out": None}
    data(**(wanted | {"as_json": False} | options))
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_json(training: Digits, capsys: pytest.CaptureFixture[str]) -> None:
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
    counts = [
        splits["training"]["counts"][d] + splits["validation"]["counts"][d] for d in "0123456789"
    ]
    assert counts == training.labels.bincount().tolist()
    assert sum(splits["test"]["counts"].values()) == 10_000


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys)
    assert err == ""
    lines = [line.split() for line in out.splitlines()]
    # MNIST has 6,742 ones to train on and 1,135 to test with.
    (ones,) = (line for line in lines if line[:1] == ["1"])
    assert int(ones[1].replace(",", "")) + int(ones[3]) == 6_742
    assert ones[5:] == ["1,135", "11.3%"]
    assert ["all", "55,000", "100.0%", "5,000", "100.0%", "10,000", "100.0%"] in lines
    assert ["test", "0.1325", "0.3105", "19.3%", "0.000", "1.000"] in lines


def test_a_terminal_is_shown_some(
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


def test_the_contact_sheet_shows_the_classes(training: Digits, tmp_path: Path) -> None:
    # A class of 5 pictures, one whose name is no mathematics, one in letters that fonts lack.
    some = Digits.join(
        [training[training.labels == 0][:5], training[training.labels == 1], training[:0]]
    )
    sheet = tmp_path / "new" / "sheet.png"
    draw_contact_sheet(some, ("few", "$many$", "無"), sheet)
    pixels = np.asarray(Image.open(sheet).convert("L"))
    # The row of ones has more ink than that of 5 noughts, and there is none in the third.
    thirds = np.array_split(pixels, 3)
    inside = [third[20:-20, 200:-20] for third in thirds]
    assert (inside[1] > 200).sum() > (inside[0] > 200).sum() > 1000
    assert (inside[2] > 200).mean() < 0.01


def test_a_picture_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png"):
        run(capsys, out=tmp_path / "sheet.svg")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        run(capsys, out=tmp_path / "file" / "sheet.png")
    assert capsys.readouterr().out == ""
