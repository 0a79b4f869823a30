"""Stroke width: measured, and brought near that of MNIST's digits."""

from __future__ import annotations

import numpy as np

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.types import FloatImage, Mask

__all__ = ["normalize_width", "stroke_width"]

_MOST_EROSIONS = 24
"""Erosions after which a stroke counts as infinitely wide."""

_THIN = 0.075
"""Width below which a stroke is thickened, fraction of the digit's longer side. Eight in ten of
MNIST's training images lie between this and `_FAT`."""

_FAT = 0.145
"""Width above which a stroke is thinned, fraction of the digit's longer side."""

_THINNING = 0.35
"""Pixels taken off each side of a stroke, fraction of what it is too wide. Half would take all of
it, but parts of the stroke may be thin already."""

_LEAST_LEFT = 0.2
"""Fraction of the ink that thinning must leave; else the digit stays as it is."""


def stroke_width(mask: Mask) -> float:
    """Measures the mean width of strokes, by area, in pixels.

    A stroke of width w loses 2 / w of its area to each erosion by one pixel on all sides, so the
    areas that are left add up to (w + 2) / 4 of the first.

    Args:
        mask: bool ``[H, W]`` with at least one True.
    """
    # Outside the picture is no ink.
    areas = BitMask.of(mask).eroded_areas(_MOST_EROSIONS)
    return 4 * sum(areas) / areas[0] - 2


def normalize_width(strokes: FloatImage, size: float) -> FloatImage:
    """Thickens the strokes of a thin pen, and thins those of a fat marker.

    Args:
        strokes: float32 ``[H, W]`` in 0..1.
        size: longer side of the digit in it, pixels.

    Returns:
        float32, with room added on every side where strokes grew.
    """
    width = stroke_width(strokes > 0.5) / size if (strokes > 0.5).any() else _THIN
    if width < _THIN:
        steps = round((_THIN - width) * size / 2)
        return _grow(np.pad(strokes, steps), steps)
    steps = round(max(0.0, width - _FAT) * size * _THINNING)
    thinned = 1 - _grow(1 - np.pad(strokes, 1), steps)
    return thinned if (thinned > 0.5).sum() > _LEAST_LEFT * (strokes > 0.5).sum() else strokes


def _grow(strokes: FloatImage, steps: int) -> FloatImage:
    """Widens by `steps` pixels on all sides: crosses and squares in turn make an octagon."""
    for step in range(steps):
        padded = np.pad(strokes, 1, mode="edge")
        up, down = padded[:-2], padded[2:]
        if step % 2:
            column = np.maximum(np.maximum(up, down), padded[1:-1])
            strokes = np.maximum(np.maximum(column[:, :-2], column[:, 2:]), column[:, 1:-1])
        else:
            across = np.maximum(padded[1:-1, :-2], padded[1:-1, 2:])
            strokes = np.maximum(np.maximum(np.maximum(up, down)[:, 1:-1], across), strokes)
    return strokes
