"""Minima and maxima over square windows, and what is built of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["dilate", "erode", "opening"]

Array = npt.NDArray[Any]


def dilate(plane: Array, window: int) -> Array:
    """The highest value within a square of `window` pixels round every pixel, of ``[H, W]``."""
    return _slide(np.maximum, plane, window)


def erode(plane: Array, window: int) -> Array:
    """The lowest value within a square of `window` pixels round every pixel, of ``[H, W]``."""
    return _slide(np.minimum, plane, window)


def opening(plane: Array, window: int) -> Array:
    """Removes what is high and narrower than `window` pixels; leaves edges where they are."""
    return dilate(erode(plane, window), window)


def _slide(extreme: Callable[..., Array], plane: Array, window: int) -> Array:
    """A minimum or maximum over a centred window of odd size, one axis after the other.

    The picture is mirrored at its border: a stroke cut off by it looks twice as wide, not
    endless. A window of n takes about log2(n) passes, each combining two shifts of the last.
    """
    for _ in range(2):
        # A wider window would see the same mirrored values again.
        half = min(window // 2, len(plane))
        rows = np.concatenate([plane[:half][::-1], plane, plane[len(plane) - half :][::-1]])
        covered, wanted = 1, 2 * half + 1
        while covered < wanted:
            step = min(covered, wanted - covered)
            rows = extreme(rows[:-step], rows[step:])
            covered += step
        plane = rows.T
    return plane
