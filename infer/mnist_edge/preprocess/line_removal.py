"""Removes what is printed on the paper: ruling, squares, long borders."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.components import bounding_boxes, connected_components
from mnist_edge.preprocess.morphology import dilate, erode, opening

__all__ = ["keep_thick", "remove_lines"]

Mask = npt.NDArray[np.bool_]

_ANGLES = np.deg2rad(np.arange(0, 180, dtype=np.float32))
_MOST_LINES = 40
_MOST_POINTS = 2_000
"""Pixels that vote; of more, every second, third, ... does."""

_FILLED, _FILLED_BY_PRINT = 0.75, 0.4
"""Parts of its way across the picture that a line must be inked on, by anything and by what is
thin; the rest of it may be hidden by strokes."""

_THICK = 5
"""Pixels from which on a stroke is no printed line."""


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
    # What is thick has no line in it, and is not touched by removing any.
    thick = dilate(opening(mask, _THICK), 3) & mask
    thin = mask & ~thick
    printed = thin & _spanning(mask)
    found = False
    for _ in range(_MOST_LINES):
        line = _longest_line(printed, mask)
        if line is None:
            break
        found = True
        distance = _distance(mask.shape, *line)
        half_width = _half_width(printed, distance)
        off_line = distance > half_width + 1.2
        printed &= off_line
        window = 2 * (half_width + 2) + 1
        across = erode(dilate((thin & off_line) | thick, window), window)
        thin &= off_line | across
    return thin | thick if found else mask


def _longest_line(printed: Mask, mask: Mask) -> tuple[float, float] | None:
    """Angle of the normal (radians) and distance from the corner (pixels) of the fullest line."""
    y, x = np.nonzero(printed)
    if len(y) == 0:
        return None
    thinning = len(y) // _MOST_POINTS + 1
    y, x = y[::thinning].astype(np.float32), x[::thinning].astype(np.float32)
    chords, reach = _chords(mask.shape)
    columns = chords.shape[1] + 1
    bins = (np.outer(np.cos(_ANGLES), x) + np.outer(np.sin(_ANGLES), y) + reach).astype(np.int32)
    bins += np.arange(len(_ANGLES), dtype=np.int32)[:, np.newaxis] * columns
    votes = np.bincount(bins.ravel(), minlength=len(_ANGLES) * columns).reshape(-1, columns)
    # Pixels lie up to half their diagonal off a slanted line: three bins hold them all.
    nearby = votes[:, :-1] + votes[:, 1:]
    nearby[:, 1:] += votes[:, :-2]
    filled = nearby * thinning / chords
    best, distance = divmod(int(filled.argmax()), filled.shape[1])
    angle, offset = float(_ANGLES[best]), float(distance - reach) + 0.5
    if filled[best, distance] < _FILLED_BY_PRINT:
        return None
    inked = np.count_nonzero(mask & (_distance(mask.shape, angle, offset) < 1.6))
    return (angle, offset) if inked >= _FILLED * chords[best, distance] else None


def _spanning(mask: Mask) -> Mask:
    """The pieces that reach two sides of the picture: lines are part of them."""
    labels, count = connected_components(mask)
    top, bottom, left, right = bounding_boxes(labels, count)
    height, width = mask.shape
    sides = (top == 0).astype(int) + (bottom == height - 1) + (left == 0) + (right == width - 1)
    spanning = sides >= 2
    spanning[0] = False
    pieces: Mask = spanning[labels]
    return pieces


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


def _half_width(printed: Mask, distance: npt.NDArray[np.float64]) -> int:
    """Pixels either side of its middle that a line is inked on."""
    counts = np.bincount(
        np.rint(distance[printed & (distance < _THICK)]).astype(int), minlength=_THICK
    )
    half_width = 0
    while half_width < _THICK // 2 and counts[half_width + 1] > 0.9 * max(1, counts[0]):
        half_width += 1
    return half_width
