"""Removes what is printed on the paper: ruling, squares, long borders."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.components import bounding_boxes, connected_components
from mnist_edge.preprocess.morphology import dilate, erode, opening
from mnist_edge.types import FloatImage, Mask

__all__ = ["keep_thick", "remove_lines"]

_ANGLES = np.deg2rad(np.arange(0, 180, dtype=np.float32))
"""Directions of a line's normal that the Hough transform tries, radians."""


@dataclass(frozen=True)
class _Limits:
    """Thresholds of line removal; lengths in pixels."""

    most_lines: int = 40
    """Lines that are removed at most."""

    most_points: int = 2_000
    """Pixels that vote; of more, every second, third, ... does."""

    line_width: int = 5
    """A printed line is thinner than this."""

    inked: float = 0.75
    """Part of its way across the picture on which a line lies on ink of any kind."""

    inked_thinly: float = 0.4
    """Part of it on which the ink is thin; strokes may hide the line on the rest."""

    near_line: float = 1.6
    """Distance from a line's middle within which ink counts as the line's."""

    soft_edge: float = 1.2
    """Removed on each side of a line beyond its half width."""

    shortest_chord: float = 0.4
    """A line's way across a corner of the picture counts as at least this part of the shorter
    side, so that no stroke fills it."""

    least_thick: float = 0.03
    """`keep_thick` removes the thin ink where the thick is at least this part of all ink, ..."""

    most_thick: float = 0.8
    """... and at most this part."""


_LIMITS = _Limits()


class _Line(NamedTuple):
    """A straight line: x cos(angle) + y sin(angle) = distance.

    Attributes:
        angle: of its normal, radians.
        distance: from the middle of the first pixel, pixels.
    """

    angle: float
    distance: float


def keep_thick(mask: Mask) -> Mask:
    """Drops all ink that is thinner than three pixels, where most of something is left then.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        bool ``[H, W]``; `mask` itself where it is all thin, or all thick.
    """
    thick = opening(mask, 3)
    left = thick.sum() / max(1, mask.sum())
    is_mixed = _LIMITS.least_thick <= left <= _LIMITS.most_thick
    return dilate(thick, 3) & mask if is_mixed else mask


def remove_lines(mask: Mask) -> Mask:
    """Erases straight thin lines that cross the picture; what crosses a line stays whole.

    Lines are found by the Hough transform (Duda and Hart 1972), one after the other.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        bool ``[H, W]``; `mask` itself where there is no line.
    """
    # Thick ink has no line in it, and is not touched by removing any.
    thick = dilate(opening(mask, _LIMITS.line_width), 3) & mask
    thin = mask & ~thick
    candidates = thin & _crossing_components(mask)
    has_lines = False
    for _ in range(_LIMITS.most_lines):
        line = _fullest_line(candidates, mask)
        if line is None:
            break
        has_lines = True
        distance = _distance_from(line, mask.shape)
        half_width = _half_width(candidates, distance)
        off_line = distance > half_width + _LIMITS.soft_edge
        candidates &= off_line
        window = 2 * (half_width + 2) + 1
        # A closing: strokes that end at both sides of the line are joined across it.
        across = erode(dilate((thin & off_line) | thick, window), window)
        thin &= off_line | across
    return thin | thick if has_lines else mask


def _fullest_line(candidates: Mask, mask: Mask) -> _Line | None:
    """Finds the line of which the largest part lies on ink, if that is enough.

    Args:
        candidates: thin ink, which votes.
        mask: all ink.
    """
    y, x = np.nonzero(candidates)
    if len(y) == 0:
        return None
    stride = len(y) // _LIMITS.most_points + 1
    y, x = y[::stride].astype(np.float32), x[::stride].astype(np.float32)
    chords, origin = _chords(mask.shape)
    columns = chords.shape[1] + 1
    bins = (np.outer(np.cos(_ANGLES), x) + np.outer(np.sin(_ANGLES), y) + origin).astype(np.int32)
    bins += np.arange(len(_ANGLES), dtype=np.int32)[:, np.newaxis] * columns
    votes = np.bincount(bins.ravel(), minlength=len(_ANGLES) * columns).reshape(-1, columns)
    # Pixels lie up to half their diagonal off a slanted line: three bins hold them all.
    nearby = votes[:, :-1] + votes[:, 1:]
    nearby[:, 1:] += votes[:, :-2]
    filled = nearby * stride / chords
    row, column = divmod(int(filled.argmax()), filled.shape[1])
    line = _Line(float(_ANGLES[row]), float(column - origin) + 0.5)
    if filled[row, column] < _LIMITS.inked_thinly:
        return None
    inked = np.count_nonzero(mask & (_distance_from(line, mask.shape) < _LIMITS.near_line))
    return line if inked >= _LIMITS.inked * chords[row, column] else None


def _crossing_components(mask: Mask) -> Mask:
    """Keeps the components that reach two sides of the picture: lines are part of them."""
    labels, count = connected_components(mask)
    top, bottom, left, right = bounding_boxes(labels, count)
    height, width = mask.shape
    sides = (top == 0).astype(int) + (bottom == height - 1) + (left == 0) + (right == width - 1)
    is_crossing = sides >= 2
    is_crossing[0] = False
    crossing: Mask = is_crossing[labels]
    return crossing


@functools.lru_cache(maxsize=8)
def _chords(shape: tuple[int, int]) -> tuple[FloatImage, int]:
    """Measures every line's length inside a picture, with a lower bound (`shortest_chord`).

    Returns:
        float32 ``[angles, distances]``, pixels; and the column of distance 0.
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
    return np.maximum(lengths, _LIMITS.shortest_chord * min(shape)).astype(np.float32), reach


def _distance_from(line: _Line, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Measures how far every pixel lies from a line, pixels: float64 ``[H, W]``."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance: npt.NDArray[np.float64] = np.abs(
        x * np.cos(line.angle) + y * np.sin(line.angle) - line.distance
    )
    return distance


def _half_width(candidates: Mask, distance: npt.NDArray[np.float64]) -> int:
    """Counts the pixels on each side of a line's middle that it is inked on."""
    near = distance[candidates & (distance < _LIMITS.line_width)]
    counts = np.bincount(np.rint(near).astype(int), minlength=_LIMITS.line_width)
    half_width = 0
    while half_width < _LIMITS.line_width // 2 and counts[half_width + 1] > 0.9 * max(1, counts[0]):
        half_width += 1
    return half_width
