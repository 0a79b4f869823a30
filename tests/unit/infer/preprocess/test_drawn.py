"""What a program draws or cuts out is found, wherever it is, at any size, dark or light."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_edge import DigitClassifier
from mnist_edge.preprocess.background import drawn_levels, to_gray
from mnist_edge.preprocess.proposals import find_digit
from mnist_edge.types import GrayImage
from tests.conftest import Digits

SIDES = (8, 10, 12, 16, 20, 28, 32, 48, 64, 100, 200, 280)

SMOOTHING = 8
"""A smooth stroke is drawn so many times larger."""


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    return DigitClassifier(min_confidence=0)


def upright_stroke(rng: np.random.Generator) -> GrayImage:
    """A stroke of any pen, anywhere on a canvas of any size, light on black or dark on white."""
    side = int(rng.choice(SIDES))
    height, pen = rng.uniform(0.45, 0.9) * side, rng.uniform(0.03, 0.12) * side
    pen = max(1.0, pen)
    top, left = rng.uniform(0, side - height), rng.uniform(pen / 2, side - pen / 2)
    right = min(max(left + rng.uniform(-0.1, 0.1) * height, pen / 2), side - pen / 2)
    scale = SMOOTHING if rng.random() < 0.5 else 1
    canvas = Image.new("L", (side * scale, side * scale))
    ends = [(left * scale, top * scale), (right * scale, (top + height) * scale)]
    ImageDraw.Draw(canvas).line(ends, fill=255, width=round(pen * scale))
    image = np.asarray(canvas.resize((side, side), Image.Resampling.BOX))
    return 255 - image if rng.random() < 0.5 else image


@pytest.mark.parametrize("count", [400, pytest.param(5_000, marks=pytest.mark.slow)])
def test_upright_stroke_is_a_1(classifier: DigitClassifier, count: int) -> None:
    rng = np.random.default_rng(0)
    strokes = [upright_stroke(rng) for _ in range(count)]
    digits = [prediction.digit for prediction in classifier.stream(strokes)]
    assert digits == [1] * count


@pytest.mark.parametrize("is_light", [True, False])
def test_bar_in_28_x_28_is_a_1_in_every_place(classifier: DigitClassifier, is_light: bool) -> None:
    images = []
    for left in range(27):
        for top in range(15):
            image = np.zeros((28, 28), np.uint8)
            image[top : top + 14, left : left + 2] = 255
            images.append(image if is_light else 255 - image)
    assert {prediction.digit for prediction in classifier.stream(images)} == {1}


def cut_out(digit: GrayImage, *, stretched: bool) -> GrayImage:
    """A digit in two levels that touches the edges of 16 pixels."""
    rows, columns = np.nonzero(digit > 100)
    tight = digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = tight.shape
    scale = 16 / max(height, width)
    size = (16, 16) if stretched else (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(tight).resize(size, Image.Resampling.BICUBIC))
    return np.where(resized > 110, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("stretched", [True, False])
def test_digits_cut_out_of_bilevel_scans(
    classifier: DigitClassifier, train_digits: Digits, stretched: bool
) -> None:
    images, labels = (part[-500:] for part in train_digits)
    scans = [cut_out(image, stretched=stretched) for image in images]
    scans = [scan if number % 2 else 255 - scan for number, scan in enumerate(scans)]
    digits = [prediction.digit for prediction in classifier.stream(scans)]
    assert np.mean([digit == label for digit, label in zip(digits, labels, strict=True)]) >= 0.97
    assert digits.count(None) <= 5


def test_speck_on_flat_paper_is_no_digit() -> None:
    for side in (100, 280):
        page = np.full((side, side), 255, np.uint8)
        page[side // 2 : side // 2 + 2, side // 2 : side // 2 + 2] = 0
        proposal = find_digit(to_gray(page))
        assert proposal is None or proposal.is_far_away


@pytest.mark.parametrize("side", [8, 10, 100, 480])
def test_levels_of_drawn_pictures(side: int) -> None:
    page = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    assert drawn_levels(page) == (None, False)
    page[: round(0.8 * side)] = 7
    assert drawn_levels(page) == (7, False)
    page[: side // 2] = 8
    assert drawn_levels(page) == (None, False)
    two = np.where(page > 7, 255, 0).astype(np.uint8)
    assert drawn_levels(two).are_two
    assert drawn_levels(np.zeros((side, side), np.uint8)) == (0, False)
    speck = np.full((side, side), 255, np.uint8)
    speck[3, 3] = 0
    assert drawn_levels(speck) == (255, True)
