"""A page that is seen whole is read as a page, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mnist_edge import DigitClassifier
from mnist_edge.preprocess.background import GrayPlane, to_gray
from mnist_edge.preprocess.rim import without_rim
from mnist_edge.types import GrayImage, Pixels
from tests.conftest import SAMPLES, Digits

COLORS = (
    ((200, 30, 30), (250, 240, 215), (0, 0, 0)),  # red ink, cream paper, black rim
    ((30, 30, 160), (240, 240, 240), (60, 45, 30)),
    ((20, 20, 20), (235, 225, 190), (25, 20, 18)),
    ((235, 235, 225), (40, 60, 50), (200, 160, 110)),  # chalk, a board, its frame
)


def framed(digit: GrayImage, rim: float, seed: int) -> Pixels:
    """A sheet with a digit anywhere on it, and a rim of a part of its side."""
    rng = np.random.default_rng(seed)
    ink, paper, around = COLORS[seed % len(COLORS)]
    side = int(rng.integers(150, 400))
    width = max(1, round(rim * side))
    sheet = Image.new("RGB", (side, side), around)
    sheet.paste(paper, (width, width, side - width, side - width))
    size = int(rng.uniform(0.4, 0.75) * (side - 2 * width))
    left, top = (int(place) for place in rng.integers(width, side - width - size + 1, 2))
    mask = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    sheet.paste(ink, (left, top), mask)
    blurred = sheet.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    noisy = np.asarray(blurred, np.float32) + rng.normal(0, rng.uniform(0, 5), (side, side, 1))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("rim", [0.01, 0.03, 0.1, 0.2])
def test_digit_on_a_framed_sheet_is_read(train_digits: Digits, rim: float) -> None:
    images, labels = (part[-200:] for part in train_digits)
    sheets = [framed(image, rim, seed) for seed, image in enumerate(images)]
    predictions = DigitClassifier(min_confidence=0).stream(sheets)
    digits = [prediction.digit for prediction in predictions]
    assert np.mean(np.array(digits) == labels) >= 0.985


def ring(side: int, width: int) -> GrayImage:
    """A hollow square, as some write a 0."""
    image = np.zeros((side, side), np.uint8)
    image[10:-10, 10:-10] = 255
    image[10 + width : -10 - width, 10 + width : -10 - width] = 0
    return image


def test_digit_is_no_page(train_digits: Digits) -> None:
    digits = [
        np.asarray(Image.fromarray(image).resize((90, 90))) for image in train_digits[0][:500]
    ]
    for image in [*digits, *(ring(100, width) for width in range(2, 12))]:
        for picture in (image, 255 - image):
            plane = GrayPlane(picture, scales_with_light=True)
            assert without_rim(plane) is plane


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.jpg")), ids=lambda path: path.stem)
def test_photograph_without_a_rim_stays_as_it_is(path: object) -> None:
    plane = to_gray(np.asarray(Image.open(str(path)).convert("RGB")))
    assert without_rim(plane) is plane


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (28, 28), (3000, 40)])
def test_any_shape(shape: tuple[int, int]) -> None:
    plane = GrayPlane(np.full(shape, 90, np.uint8), scales_with_light=True)
    assert without_rim(plane) is plane
