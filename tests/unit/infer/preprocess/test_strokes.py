"""Stroke width: measured on bars of known width, and brought nearer to MNIST's."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge.preprocess.strokes import normalize_width, stroke_width


@pytest.mark.parametrize("width", [2, 5, 8, 13])
def test_stroke_width_of_a_bar(width: int) -> None:
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
