"""Strokes as they are drawn, against scipy's interpolation and properties of thinning."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mnist_edge.types import FloatImage, GrayImage, Mask
from mnist_edge_trainer.synthetic.scenes import Scene
from mnist_edge_trainer.synthetic.strokes import draw_strokes
from tests.conftest import Digits

SQUARE = np.ones((3, 3))


def enlarged(digit: GrayImage) -> FloatImage:
    """The digit without a pen: the whole image enlarged, its edges sharpened."""
    large = Image.fromarray(digit).resize((224, 224), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large, np.float32) / 255 - 0.5) * 3 + 0.5, 0, 1)


def thinned(mask: Mask) -> Mask:
    """Zhang and Suen's thinning, pixel by pixel."""
    image = np.pad(mask, 1).astype(int)
    while True:
        before = image.sum()
        for first in (True, False):
            erased = []
            for y, x in np.argwhere(image):
                n, ne, e, se, s, sw, w, nw = (
                    image[y + dy, x + dx]
                    for dy, dx in zip(
                        (-1, -1, 0, 1, 1, 1, 0, -1), (0, 1, 1, 1, 0, -1, -1, -1), strict=True
                    )
                )
                ring = [n, ne, e, se, s, sw, w, nw, n]
                rises = sum(a < b for a, b in itertools.pairwise(ring))
                corner = (n * e * s, e * s * w) if first else (n * e * w, n * s * w)
                if 2 <= sum(ring[:8]) <= 6 and rises == 1 and not any(corner):
                    erased.append((y, x))
            for y, x in erased:
                image[y, x] = 0
        if image.sum() == before:
            return image[1:-1, 1:-1].astype(bool)


def test_strokes_without_a_pen_are_the_enlarged_digit(train_digits: Digits) -> None:
    for digit in train_digits[0][:50]:
        np.testing.assert_array_equal(
            draw_strokes(digit, Scene(), np.random.default_rng(0)), enlarged(digit)
        )


@pytest.mark.parametrize("width", [0.35, 1.0, 5.5])
def test_pen_follows_the_middle_of_the_stroke(width: float, train_digits: Digits) -> None:
    for digit in train_digits[0][:3]:
        middle = thinned(enlarged(digit)[::2, ::2] > 0.5)
        distance = ndimage.zoom(ndimage.distance_transform_edt(~middle) * 2, 2, order=1)
        expected = np.clip(width * 8 / 2 - distance + 0.5, 0, 1)
        drawn = draw_strokes(digit, Scene(pen_width=width), np.random.default_rng(0))
        np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_gaps_are_erased_where_the_stroke_was(train_digits: Digits) -> None:
    for seed, digit in enumerate(train_digits[0][:20]):
        whole = draw_strokes(digit, Scene(), np.random.default_rng(seed))
        broken = draw_strokes(digit, Scene(gaps=2, gap_width=1.5), np.random.default_rng(seed))
        erased = broken != whole
        assert (broken[erased] == 0).all()
        assert 0 < (whole[erased] > 0.5).sum() < (whole > 0.5).sum()
        assert ndimage.label(erased, SQUARE)[1] <= 4


@pytest.mark.parametrize("pen_width", [None, 2.0])
def test_nothing_is_drawn_of_nothing(pen_width: float | None) -> None:
    scene = Scene(pen_width=pen_width, gaps=2)
    assert not draw_strokes(np.zeros((28, 28), np.uint8), scene, np.random.default_rng(0)).any()
