"""Width of strokes: measured, and brought near that of MNIST's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.morphology import erode

__all__ = ["normalize_width", "stroke_width"]

Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]

_WIDEST = 24
"""Erosions after which a stroke is as wide as any."""

_THIN, _FAT = 0.075, 0.145
"""Widths of stroke, of the digit's longer side, between which eight in ten of MNIST's training
images lie."""


def stroke_width(mask: Mask) -> float:
    """Mean width of the strokes, by area, in pixels.

    A stroke of width w loses 2 / w of its area to each erosion by one pixel on all sides, so the
    areas that are left add up to (w + 2) / 4 of the first.

    Args:
        mask: bool ``[H, W]`` with at least one True.
    """
    whole = total = int(np.count_nonzero(mask))
    # Outside the picture is no ink.
    mask = np.pad(mask, 1)
    for _ in range(_WIDEST):
        mask = erode(mask, 3)
        left = int(np.count_nonzero(mask))
        if left == 0:
            break
        total += left
    return 4 * total / whole - 2


def normalize_width(strokes: Plane, size: float) -> Plane:
    """Thickens what a hair-thin pen drew and thins what a fat marker did.

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
    # A stroke is thinned less than it would take: parts of it may be thin already.
    thinned = 1 - _grow(1 - np.pad(strokes, 1), round(max(0.0, width - _FAT) * size * 0.35))
    return thinned if (thinned > 0.5).sum() > 0.2 * (strokes > 0.5).sum() else strokes


def _grow(plane: Plane, steps: int) -> Plane:
    """Widens by `steps` pixels on all sides: crosses and squares in turn make an octagon."""
    for step in range(steps):
        padded = np.pad(plane, 1, mode="edge")
        up, down = padded[:-2], padded[2:]
        if step % 2:
            column = np.maximum(np.maximum(up, down), padded[1:-1])
            plane = np.maximum(np.maximum(column[:, :-2], column[:, 2:]), column[:, 1:-1])
        else:
            across = np.maximum(padded[1:-1, :-2], padded[1:-1, 2:])
            plane = np.maximum(np.maximum(np.maximum(up, down)[:, 1:-1], across), plane)
    return plane
