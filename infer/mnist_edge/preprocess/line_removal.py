"""Removes what is printed on the paper: ruling, squares, long borders."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import Components
from mnist_edge.types import FloatImage, Mask

__all__ = ["keep_thick", "remove_lines"]

Integers = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

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
    bits = BitMask.of(mask)
    thick = bits.erode().dilate()
    left = thick.count() / max(1, bits.count())
    is_mixed = _LIMITS.least_thick <= left <= _LIMITS.most_thick
    return (thick.dilate() & bits).unpack() if is_mixed else mask


def remove_lines(mask: Mask) -> Mask:
    """Erases straight thin lines that cross the picture; what crosses a line stays whole.

    Lines are found by the Hough transform (Duda and Hart 1972), one after the other.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        bool ``[H, W]``; `mask` itself where there is no line.
    """
    # Thick ink has no line in it, and is not touched by removing any.
    bits = BitMask.of(mask)
    half_width = _LIMITS.line_width // 2
    thick = bits.erode(half_width).dilate(half_width + 1) & bits
    thin = bits - thick
    if thin.count() < _least_points(mask.shape):
        return mask
    candidates = thin.unpack() & _crossing_components(mask)
    lines = _LineVotes(candidates)
    has_lines = False
    for _ in range(_LIMITS.most_lines):
        distance = lines.distance_from_fullest(mask)
        if distance is None:
            break
        has_lines = True
        half_width = _half_width(distance[lines.y, lines.x])
        is_off_line = distance > half_width + _LIMITS.soft_edge
        lines.keep(is_off_line[lines.y, lines.x])
        off_line = BitMask.of(is_off_line)
        # A closing: strokes that end at both sides of the line are joined across it.
        steps = half_width + 2
        across = (thin & off_line | thick).dilate(steps).erode(steps)
        thin &= off_line | across
    return (thin | thick).unpack() if has_lines else mask


def _least_points(shape: tuple[int, int]) -> float:
    """Pixels of thin ink fewer than which fill no line; one less, for rounding."""
    return _LIMITS.inked_thinly * _LIMITS.shortest_chord * min(shape) - 1


class _LineVotes:
    """Pixels of thin ink, and the lines that they vote for (the Hough transform).

    Attributes:
        y, x: int64 ``[N]``, the pixels, row by row.
    """

    def __init__(self, mask: Mask) -> None:
        self.y, self.x = np.nonzero(mask)
        self._shape = mask.shape
        self._votes: Counts | None = None

    @property
    def _stride(self) -> int:
        """Every how many pixels one votes."""
        return len(self.y) // _LIMITS.most_points + 1

    def keep(self, is_kept: Mask) -> None:
        """Keeps some of the pixels; `is_kept` is bool ``[N]``."""
        removed = self.y[~is_kept], self.x[~is_kept]
        if self._votes is not None and self._stride == 1:
            self._votes -= self._vote(*removed)
        else:
            self._votes = None  # others vote now
        self.y, self.x = self.y[is_kept], self.x[is_kept]

    def distance_from_fullest(self, mask: Mask) -> npt.NDArray[np.float64] | None:
        """Finds the line of which the largest part lies on ink, if that is enough.

        Args:
            mask: all ink.

        Returns:
            how far every pixel lies from the line, pixels: float64 ``[H, W]``.
        """
        if len(self.y) < _least_points(self._shape):
            return None
        stride = self._stride
        chords, least_votes, origin = _chords(self._shape)
        if self._votes is None:
            self._votes = self._vote(self.y[::stride], self.x[::stride])
        # Pixels lie up to half their diagonal off a slanted line: three bins hold them all.
        nearby = self._votes[:, :-1] + self._votes[:, 1:]
        nearby[:, 1:] += self._votes[:, :-2]
        nearby *= stride
        candidates = np.flatnonzero(nearby >= least_votes)
        if len(candidates) == 0:
            return None
        filled = nearby.ravel()[candidates] / chords.ravel()[candidates]
        fullest = int(filled.argmax())
        if filled[fullest] < _LIMITS.inked_thinly:
            return None
        row, column = divmod(int(candidates[fullest]), chords.shape[1])
        line = _Line(float(_ANGLES[row]), float(column - origin) + 0.5)
        distance = _distance_from(line, mask.shape)
        inked = np.count_nonzero(mask & (distance < _LIMITS.near_line))
        return distance if inked >= _LIMITS.inked * chords[row, column] else None

    def _vote(self, y: Integers, x: Integers) -> Counts:
        """Counts votes: int32 ``[angles, distances + 1]``."""
        chords, _, origin = _chords(self._shape)
        columns = chords.shape[1] + 1
        distance = np.outer(np.cos(_ANGLES), x.astype(np.float32))
        distance += np.outer(np.sin(_ANGLES), y.astype(np.float32))
        distance += origin
        bins = distance.astype(np.int64)
        bins += np.arange(len(_ANGLES))[:, np.newaxis] * columns
        votes = np.bincount(bins.ravel(), minlength=len(_ANGLES) * columns)
        return votes.astype(np.int32).reshape(-1, columns)


def _crossing_components(mask: Mask) -> Mask:
    """Keeps the components that reach two sides of the picture: lines are part of them."""
    components = Components.of(BitMask.of(mask))
    top, bottom, left, right = components.sides()
    height, width = mask.shape
    sides = (top == 0).astype(int) + (bottom == height - 1) + (left == 0) + (right == width - 1)
    is_crossing = sides >= 2
    is_crossing[0] = False
    return components.mask(is_crossing)


@functools.lru_cache(maxsize=8)
def _chords(shape: tuple[int, int]) -> tuple[FloatImage, Counts, int]:
    """Measures every line's length inside a picture, with a lower bound (`shortest_chord`).

    Returns:
        float32 ``[angles, distances]``, pixels; votes below which a line is not inked enough, of
        the same shape; and the column of distance 0.
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
    chords = np.maximum(lengths, _LIMITS.shortest_chord * min(shape)).astype(np.float32)
    return chords, np.floor(_LIMITS.inked_thinly * chords).astype(np.int32), reach


def _distance_from(line: _Line, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Measures how far every pixel lies from a line, pixels: float64 ``[H, W]``."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance: npt.NDArray[np.float64] = np.abs(
        x * np.cos(line.angle) + y * np.sin(line.angle) - line.distance
    )
    return distance


def _half_width(distance: npt.NDArray[np.float64]) -> int:
    """Counts the pixels on each side of a line's middle that it is inked on.

    Args:
        distance: of each pixel of thin ink from the line, pixels.
    """
    near = distance[distance < _LIMITS.line_width]
    counts = np.bincount(np.rint(near).astype(int), minlength=_LIMITS.line_width)
    half_width = 0
    while half_width < _LIMITS.line_width // 2 and counts[half_width + 1] > 0.9 * max(1, counts[0]):
        half_width += 1
    return half_width
