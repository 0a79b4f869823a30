"""Cuts a rim off a picture: the desk round a page that is seen whole, the frame of a board."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mnist_edge.preprocess.background import GrayPlane
from mnist_edge.preprocess.order_statistics import median
from mnist_edge.types import SIDE, Mask

__all__ = ["without_rim"]


@dataclass(frozen=True)
class _Limits:
    """What a rim is."""

    small_side: int = 128
    """Longer side of the copy in which it is searched for, pixels."""

    of_rim: float = 0.97
    """A line of a rim is of its shade by this part at least, ..."""

    of_page: float = 0.85
    """... the first line of the page is of the other by this part, ..."""

    of_inside: float = 0.6
    """... and so is what it encloses: the inside of a square is not."""

    widest: float = 0.3
    """Of the picture's side, on each side."""

    least_side: int = 8
    """Shorter side of the copy."""

    least_step: int = 32
    """Gray levels between the edge of the picture and the page in its middle."""

    soft_edge: int = 2
    """Lines between the two that may be of either shade; pixels of the copy."""


_LIMITS = _Limits()


def without_rim(plane: GrayPlane) -> GrayPlane:
    """The page alone, where the picture has a rim of the other shade on all four sides.

    A rim along the edge speaks for paper of its shade, and the page inside it is then taken for
    ink. A digit in the same place is no page: its outermost lines are not of ink from end to end.

    Args:
        plane: of any size.

    Returns:
        what was given where there is no rim.
    """
    height, width = plane.pixels.shape
    factor = max(1, -(-max(height, width) // _LIMITS.small_side))
    small = np.asarray(Image.fromarray(plane.pixels).reduce(factor), np.float32)
    if min(small.shape) < _LIMITS.least_side:
        return plane
    rim_level = median(np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]))
    tall, wide = (length // 4 for length in small.shape)
    page_level = median(small[tall:-tall, wide:-wide])
    if abs(rim_level - page_level) < _LIMITS.least_step:
        return plane
    is_page = np.abs(small - page_level) < np.abs(small - rim_level)
    # Top, bottom, left and right, as the top of a mask that is turned.
    sides = (is_page, is_page[::-1], is_page.T, is_page.T[::-1])
    top, bottom, left, right = map(_rim_width, sides)
    if min(top, bottom, left, right) == 0:
        return plane
    inside = is_page[top : len(is_page) - bottom, left : is_page.shape[1] - right]
    sides = (inside, inside[::-1], inside.T, inside.T[::-1])
    edges = [_soft_edge(side) for side in sides]
    if None in edges or inside.mean() < _LIMITS.of_inside:
        return plane
    top, bottom, left, right = (
        rim + (edge or 0) for rim, edge in zip((top, bottom, left, right), edges, strict=True)
    )
    page = plane.pixels[
        top * factor : height - bottom * factor, left * factor : width - right * factor
    ]
    return plane if min(page.shape) < SIDE else GrayPlane(page, plane.scales_with_light)


def _rim_width(is_page: Mask) -> int:
    """Lines from the top that are rim; 0 = there is none."""
    page_part = is_page.mean(axis=1)
    rim = int(np.argmax(page_part > 1 - _LIMITS.of_rim))
    return rim if rim <= _LIMITS.widest * len(is_page) else 0


def _soft_edge(inside: Mask) -> int | None:
    """Lines from the top to the first that is page, and that one; None = it does not follow."""
    for line, part in enumerate(inside[: _LIMITS.soft_edge + 1].mean(axis=1), start=1):
        if part >= _LIMITS.of_page:
            return line
    return None
