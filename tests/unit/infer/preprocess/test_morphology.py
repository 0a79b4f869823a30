"""Windows over pictures, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from mnist_edge.preprocess.morphology import dilate, erode, opening
from mnist_edge.preprocess.strokes import normalize_width, stroke_width


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 45), st.integers(0, 99))
def test_as_scipy_has_it(height: int, width: int, window: int, seed: int) -> None:
    plane = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    odd = window | 1
    for ours, theirs in ((dilate, ndimage.maximum_filter), (erode, ndimage.minimum_filter)):
        np.testing.assert_array_equal(ours(plane, window), theirs(plane, odd, mode="reflect"))


def test_an_opening_keeps_the_border_of_a_shadow_and_drops_strokes() -> None:
    page = np.full((60, 60), 100, np.uint8)
    page[:, 31:] = 180
    lined = page.copy()
    lined[20:25, 5:50] += 60
    np.testing.assert_array_equal(opening(lined, 11), page)


@pytest.mark.parametrize("width", [2, 5, 8, 13])
def test_width_of_a_stroke(width: int) -> None:
    mask = np.zeros((120, 120), bool)
    mask[10:110, 40 : 40 + width] = True
    assert stroke_width(mask) == pytest.approx(width, abs=1.2)


@pytest.mark.parametrize("width", [2, 26])
def test_thin_and_fat_strokes_come_nearer_to_mnists(width: int) -> None:
    strokes = np.zeros((90, 90), np.float32)
    strokes[5:85, 40 : 40 + width] = 1
    before, after = (stroke_width(s > 0.5) for s in (strokes, normalize_width(strokes, 80)))
    mnists = 8.3  # the median of the training images, in a digit 80 pixels high
    assert abs(after - mnists) < 0.75 * abs(before - mnists)
