"""One digit is not taken for a row of digits, however it is written; a row is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_edge.preprocess.background import to_gray
from mnist_edge.preprocess.neighbors import DigitRow, row_of_digits
from mnist_edge.preprocess.proposals import find_digit
from mnist_edge.types import GrayImage
from tests.conftest import Digits


def on_a_page(image: GrayImage) -> GrayImage:
    """MNIST's images, 28 high, as dark ink in the middle of a page."""
    page = np.full((360, 480), 235, np.uint8)
    size = (image.shape[1] * 4, image.shape[0] * 4)
    ink = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    left = (480 - size[0]) // 2
    page[124 : 124 + size[1], left : left + size[0]] -= (ink * 0.8).astype(np.uint8)
    return page


def row_on(picture: GrayImage) -> DigitRow | None:
    plane = to_gray(picture)
    proposal = find_digit(plane)
    assert proposal is not None
    return row_of_digits(plane, proposal)


def test_most_single_digits_have_no_row(train_digits: Digits) -> None:
    rows = [row_on(on_a_page(image)) for image in train_digits[0][:100]]
    assert sum(row is not None for row in rows) <= 10


@pytest.mark.parametrize("gap", [0, 6])
def test_two_digits_are_a_row_around_both(gap: int, train_digits: Digits) -> None:
    between = np.zeros((28, gap), np.uint8)
    images = train_digits[0]
    for first, second in zip(images[:10], images[10:20], strict=True):
        row = row_on(on_a_page(np.concatenate([first, between, second], axis=1)))
        assert row is not None
        assert row.is_dark
        assert row.left < 240 < row.right


def test_a_one_with_a_long_flag_has_no_row() -> None:
    page = Image.new("L", (480, 360), 235)
    ImageDraw.Draw(page).line([(170, 210), (250, 80), (240, 280)], 30, 14, joint="curve")
    assert row_on(np.asarray(page)) is None
