"""Removes what is printed on the paper: ruling, squares, long borders."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from mnist_edge.morphology import dilate, erode, opening
from mnist_edge.pieces import boxes, label

__all__ = ["keep_thick", "remove_lines"]

Mask = npt.NDArray[np.bool_]

_ANGLES = np.deg2rad(np.arange(0, 180, dtype=np.float32))
_MOST_LINES = 40
_MOST_POINTS = 2_000
"""Pixels that vote; of more, every second, third, ... does."""

_FILLED = 0.75
"""Part of its way across the picture that a line must be inked on."""

_WIDEST = 0.09
"""Width, of the picture's longer side, above which a line is a stroke or an edge."""


def keep_thick(mask: Mask) -> Mask:
    """Drops all that is thinner than three pixels, where that leaves the most of something.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        bool ``[H, W]``; `mask` itself where it is all thin, or all thick.
    """
    thick = opening(mask, 3)
    left = thick.sum() / max(1, mask.sum())
    return dilate(thick, 3) & mask if 0.03 <= left <= 0.8 else mask


def remove_lines(mask: Mask) -> Mask:
    """Erases straight thin lines that cross the picture; what crosses a line stays whole.

    Lines are found by the Hough transform (Duda and Hart 1972), one after the other.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        bool ``[H, W]``; `mask` itself where there is no line.
    """
    for _ in range(_MOST_LINES):
        line = _longest_line(mask)
        if line is None:
            break
        distance = _distance(mask.shape, *line)
        half_width = _half_width(mask, distance)
        if 2 * half_width + 1 > _WIDEST * max(mask.shape):
            break
        band = distance <= half_width + 1.2
        rest = mask & ~band
        window = 2 * (half_width + 2) + 1
        across = erode(dilate(rest, window), window)
        mask = rest | (across & mask)
    return mask


def _longest_line(mask: Mask) -> tuple[float, float] | None:
    """Angle of the normal (radians) and distance from the corner (pixels) of the fullest line."""
    y, x = _points_of_spanning_pieces(mask)
    if len(y) == 0:
        return None
    thinning = len(y) // _MOST_POINTS + 1
    y, x = y[::thinning].astype(np.float32), x[::thinning].astype(np.float32)
    chords, reach = _chords(mask.shape)
    columns = chords.shape[1] + 1
    bins = (np.outer(np.cos(_ANGLES), x) + np.outer(np.sin(_ANGLES), y) + reach).astype(np.int32)
    bins += np.arange(len(_ANGLES), dtype=np.int32)[:, np.newaxis] * columns
    votes = np.bincount(bins.ravel(), minlength=len(_ANGLES) * columns).reshape(-1, columns)
    filled = (votes[:, :-1] + votes[:, 1:]) * thinning / chords
    angle, distance = divmod(int(filled.argmax()), filled.shape[1])
    if filled[angle, distance] < _FILLED:
        return None
    return float(_ANGLES[angle]), float(distance - reach + 1)


def _points_of_spanning_pieces(mask: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the ink that reaches two sides of the picture: lines are part of it."""
    labels, count = label(mask)
    top, bottom, left, right = boxes(labels, count)
    height, width = mask.shape
    sides = (top == 0).astype(int) + (bottom == height - 1) + (left == 0) + (right == width - 1)
    spanning = sides >= 2
    spanning[0] = False
    rows, columns = np.nonzero(spanning[labels])
    return rows, columns


@functools.lru_cache(maxsize=8)
def _chords(shape: tuple[int, int]) -> tuple[npt.NDArray[np.float32], int]:
    """Length inside the picture of every line, by angle and by distance, and the distances' origin.

    Short ways across a corner count as longer than they are, so that no stroke fills them.
    """
    height, width = shape
    reach = int(np.hypot(height, width)) + 2
    distance = np.arange(2 * reach + 1, dtype=np.float32)[np.newaxis] - reach + 1
    cos, sin = np.cos(_ANGLES)[:, np.newaxis], np.sin(_ANGLES)[:, np.newaxis]
    enter = np.full((len(_ANGLES), distance.shape[1]), -np.inf, dtype=np.float32)
    leave = -enter
    for foot, along, length in (
        (distance * cos, -sin, width - 1),
        (distance * sin, cos, height - 1),
    ):
        # Nearly parallel to the side: a tiny slope keeps the division finite.
        slope = np.where(np.abs(along) < 1e-6, 1e-6, along)
        ends = -foot / slope, (length - foot) / slope
        enter = np.maximum(enter, np.minimum(*ends))
        leave = np.minimum(leave, np.maximum(*ends))
    lengths = np.clip(leave - enter, 0, None)
    return np.maximum(lengths, 0.4 * min(shape)).astype(np.float32), reach


def _distance(shape: tuple[int, int], angle: float, distance: float) -> npt.NDArray[np.float64]:
    """How far every pixel lies from a line, pixels."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    away: npt.NDArray[np.float64] = np.abs(x * np.cos(angle) + y * np.sin(angle) - distance)
    return away


def _half_width(mask: Mask, distance: npt.NDArray[np.float64]) -> int:
    """Pixels either side of its middle that a line is inked on."""
    near = mask & (distance <= 8.5)
    counts = np.bincount(np.rint(distance[near]).astype(int), minlength=9)
    half_width = 0
    while half_width < 7 and counts[half_width + 1] > 0.9 * max(1, counts[0]):
        half_width += 1
    return half_width
