"""Whether there may be more than one digit: a shape wider than a digit, or ink like it beside it.

It only says that a closer look is worth its time: a digit in pieces, a 1 with a long flag or a
drawing may look so too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mnist_edge.preprocess.background import GrayPlane
from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import Box, Components
from mnist_edge.preprocess.proposals import Proposal
from mnist_edge.types import Mask

__all__ = ["DigitRow", "row_of_digits"]


@dataclass(frozen=True)
class _Limits:
    """Thresholds, most of them fractions of the digit's height."""

    wide: float = 1.15
    """A digit is hardly ever wider."""

    alone: float = 0.92
    """A digit that is more than this part of all ink has no neighbour."""

    tall: float = 0.5
    """A neighbour, or a part of what was taken for one digit, is at least as tall; 1s are thin."""

    reach: float = 2.5
    """A neighbour is no farther away."""


_LIMITS = _Limits()


class DigitRow(NamedTuple):
    """What may be a row of digits.

    Attributes:
        plane: the picture that it was found in, or a part of the picture.
        left, top, right, bottom: around it, pixels of the plane.
        is_dark: its ink is darker than its paper.
    """

    plane: GrayPlane
    left: float
    top: float
    right: float
    bottom: float
    is_dark: bool


def row_of_digits(plane: GrayPlane, proposal: Proposal) -> DigitRow | None:
    """Where there may be a row of digits, of which one was taken for the only one.

    Args:
        plane: the picture that the proposal was found in.
        proposal: what was taken for the digit.

    Returns:
        None where it stands alone and looks like one digit.
    """
    box = proposal.box
    tall, wide = box.bottom - box.top, box.right - box.left
    digit = proposal.digit[box.top : box.bottom, box.left : box.right]
    neighbors = proposal.features.part_of_ink < _LIMITS.alone and _neighbors(proposal, tall)
    if not neighbors and wide <= _LIMITS.wide * tall and not _has_parts_side_by_side(digit):
        return None
    boxes = [box, *(neighbors or ())]
    height, width = proposal.digit.shape
    across, down = plane.pixels.shape[1] / width, plane.pixels.shape[0] / height
    return DigitRow(
        plane,
        min(each.left for each in boxes) * across,
        min(each.top for each in boxes) * down,
        max(each.right for each in boxes) * across,
        max(each.bottom for each in boxes) * down,
        proposal.is_dark,
    )


def _has_parts_side_by_side(digit: Mask) -> bool:
    """Whether columns without ink divide a shape into parts that are both tall."""
    has_ink = digit.any(axis=0)
    (gaps,) = np.nonzero(~has_ink)
    if not len(gaps):
        return False
    middle = int(gaps[len(gaps) // 2])
    return all(
        _height(part) >= _LIMITS.tall * len(digit)
        for part in (digit[:, :middle], digit[:, middle:])
    )


def _height(mask: Mask) -> int:
    (rows,) = np.nonzero(mask.any(axis=1))
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0


def _neighbors(proposal: Proposal, tall: int) -> list[Box]:
    """Boxes of whole ink that is as tall and stands on the same row, near enough."""
    box = proposal.box
    others = proposal.ink & ~proposal.digit
    if not others.any():
        return []
    top, bottom, left, right = Components.of(BitMask.of(others)).sides()
    height, width = others.shape
    heights = bottom - top + 1
    overlap = np.minimum(bottom + 1, box.bottom) - np.maximum(top, box.top)
    away = np.maximum(left - box.right, box.left - right - 1)
    on_edge = (top == 0) | (left == 0) | (bottom == height - 1) | (right == width - 1)
    is_like_it = (
        (heights >= _LIMITS.tall * tall)
        & (heights <= tall / _LIMITS.tall)
        & (right - left + 1 <= _LIMITS.wide / _LIMITS.tall * heights)
        & (overlap >= _LIMITS.tall * np.minimum(heights, tall))
        & (away <= _LIMITS.reach * tall)
        & ~on_edge
    )
    return [
        Box(int(top[i]), int(bottom[i]) + 1, int(left[i]), int(right[i]) + 1)
        for i in np.flatnonzero(is_like_it).tolist()
    ]
