"""Whether there may be more than one digit: a shape wider than a digit, or ink like it beside it.

It only says that a closer look is worth its time: a digit in pieces, a 1 with a long flag or a
drawing may look so too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import Components
from mnist_edge.preprocess.proposals import Proposal
from mnist_edge.types import Mask

__all__ = ["may_be_several"]


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


def may_be_several(proposal: Proposal) -> bool:
    """Whether what was taken for the digit may be a part of a number, or all of it.

    Args:
        proposal: what was found.
    """
    box = proposal.box
    tall, wide = box.bottom - box.top, box.right - box.left
    if wide > _LIMITS.wide * tall:
        return True
    digit = proposal.digit[box.top : box.bottom, box.left : box.right]
    if _has_parts_side_by_side(digit):
        return True
    return proposal.features.part_of_ink < _LIMITS.alone and _has_neighbor(proposal, tall)


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


def _has_neighbor(proposal: Proposal, tall: int) -> bool:
    """Whether ink that is as tall stands on the same row, whole and near enough."""
    box = proposal.box
    others = proposal.ink & ~proposal.digit
    if not others.any():
        return False
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
    return bool(is_like_it.any())
