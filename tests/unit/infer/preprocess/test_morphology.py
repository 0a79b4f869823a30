"""Erosion, dilation and opening, against scipy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from mnist_edge.preprocess.morphology import dilate, erode, opening


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 45), st.integers(0, 99))
def test_dilation_and_erosion_equal_scipys(height: int, width: int, window: int, seed: int) -> None:
    plane = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    odd = window | 1
    for ours, theirs in ((dilate, ndimage.maximum_filter), (erode, ndimage.minimum_filter)):
        np.testing.assert_array_equal(ours(plane, window), theirs(plane, odd, mode="reflect"))


def test_opening_keeps_a_shadows_border_and_removes_strokes() -> None:
    page = np.full((60, 60), 100, np.uint8)
    page[:, 31:] = 180
    with_stroke = page.copy()
    with_stroke[20:25, 5:50] += 60
    np.testing.assert_array_equal(opening(with_stroke, 11), page)
