"""Pixel statistics and the contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge import UsageError
from mnist_edge.errors import OutputError
from mnist_edge_trainer.data.splits import Digits, load_digits
from mnist_edge_trainer.data.stats import draw_contact_sheet, pixel_statistics
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def training() -> Digits:
    return load_digits(SAMPLES, "train")


def test_statistics_of_mnist_are_the_published_ones(training: Digits) -> None:
    pixels = pixel_statistics(training)
    # What MNIST is commonly normalized with.
    assert round(pixels.mean, 4) == 0.1307
    assert round(pixels.std, 4) == 0.3081
    assert (pixels.minimum, pixels.maximum) == (0, 1)
    assert pixels.ink == pytest.approx((training.images > 0).float().mean().item(), abs=1e-6)


def test_statistics_equal_those_of_torch(training: Digits) -> None:
    some = Digits(training.images[:30] // 2 + 20, training.labels[:30])
    pixels = pixel_statistics(some)
    values = some.images.double() / 255
    assert pixels.mean == pytest.approx(values.mean().item())
    assert pixels.std == pytest.approx(values.std(correction=0).item())
    assert (pixels.minimum, pixels.maximum) == (values.min().item(), values.max().item())
    assert pixels.ink == 1


def test_contact_sheet_has_a_row_for_each_class(training: Digits, tmp_path: Path) -> None:
    # A class of 5 pictures, one whose name is not mathematics, one in letters that fonts lack.
    some = Digits.join(
        [training[training.labels == 0][:5], training[training.labels == 1], training[:0]]
    )
    sheet = tmp_path / "new" / "sheet.png"
    draw_contact_sheet(some, ("few", "$many$", "無"), sheet)
    pixels = np.asarray(Image.open(sheet).convert("L"))
    # The row of ones has more ink than that of 5 zeros, and there is none in the third.
    thirds = np.array_split(pixels, 3)
    inside = [third[20:-20, 200:-20] for third in thirds]
    assert (inside[1] > 200).sum() > (inside[0] > 200).sum() > 1000
    assert (inside[2] > 200).mean() < 0.01


def test_contact_sheet_must_be_named_as_a_png(training: Digits, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png"):
        draw_contact_sheet(training[:10], tuple("0123456789"), tmp_path / "sheet.svg")
    assert not list(tmp_path.iterdir())


def test_contact_sheet_that_cannot_be_written_is_an_output_error(
    training: Digits, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        draw_contact_sheet(training[:10], tuple("0123456789"), tmp_path / "file" / "sheet.png")
