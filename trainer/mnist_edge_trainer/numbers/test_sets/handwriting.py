"""Rows of handwritten digits: side by side, spaced, touching.

Placed by the digits' ink, not by their 28 x 28 boxes, except side by side, which is how MDW
composes its numbers (arXiv:2512.00676).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mnist_edge.types import SIDE
from mnist_edge_trainer.numbers.test_sets.records import (
    Hand,
    Mark,
    NumberPicture,
    Plane,
    Rng,
    bounds,
    encode,
)

__all__ = ["row_of_marks", "side_by_side", "spaced", "touching"]

_CONTACT = 0.05
"""Coverage from which ink counts where two digits meet: their faint edges meet first."""


def side_by_side(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """28 x 28 images in a row, light on dark: a picture of 28 x 28 n pixels."""
    images, text = hand.write(length, rng)
    marks = [Mark(image, SIDE * place, 0) for place, image in enumerate(images)]
    boxes = tuple(bounds(mark.points()) for mark in marks)
    return NumberPicture(encode(np.hstack(images)), text, boxes)


def spaced(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """Digits apart from one another, dark on white, the base line a little uneven."""
    images, text = hand.write(length, rng)
    scale = _size(rng)
    gaps = rng.uniform(2, 12, length - 1)
    marks = row_of_marks(images, gaps.tolist(), scale, rng, by_boxes=True)
    return _on_white(marks, text, scale, rng)


def touching(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """Digits that touch, or overlap by up to 2.4 of 28 pixels, dark on white."""
    images, text = hand.write(length, rng)
    scale = _size(rng)
    gaps = -rng.uniform(0, 2.4, length - 1)
    return _on_white(row_of_marks(images, gaps.tolist(), scale, rng), text, scale, rng)


def row_of_marks(
    images: Sequence[Plane],
    gaps: Sequence[float],
    scale: float,
    rng: Rng,
    *,
    by_boxes: bool = False,
) -> list[Mark]:
    """Sets digits in a row.

    Args:
        images: float32 ``[28, 28]``, 0..1.
        gaps: one less than digits: the least distance between the ink of two neighbours along any
            row of pixels, in pixels of 28; below 0 they overlap by so much.
        scale: pixels of the page for one of MNIST's.
        rng: of the base line.
        by_boxes: gaps are those between the bounds of the ink.

    Returns:
        a mark for each digit, from x = 0 on.
    """
    drops = np.rint(rng.uniform(-1.2, 1.2, len(images)) * scale).astype(int)
    inks = [_trimmed(_enlarged(image, scale)) for image in images]
    floor = max(len(ink) + int(drop) for ink, drop in zip(inks, drops, strict=True))
    marks: list[Mark] = []
    x = 0
    for place, (ink, drop) in enumerate(zip(inks, drops, strict=True)):
        # All stand on one line, as most hands write.
        mark = Mark(ink, 0, floor - len(ink) - int(drop))
        if marks:
            left = marks[-1]
            end = left.x + left.ink.shape[1] if by_boxes else _meeting_place(left, mark)
            # However much they overlap, they stay in order.
            x = max(end + round(gaps[place - 1] * scale), left.x + 1)
        marks.append(Mark(ink, x, mark.y))
    return marks


def _meeting_place(left: Mark, right: Mark) -> int:
    """The x of the right digit at which its ink meets the left one's along some row.

    Where they share no row, it is where the boxes meet.
    """
    top = max(left.y, right.y)
    bottom = min(left.y + len(left.ink), right.y + len(right.ink))
    distances = []
    for row in range(top, bottom):
        ends = np.flatnonzero(left.ink[row - left.y] >= _CONTACT)
        starts = np.flatnonzero(right.ink[row - right.y] >= _CONTACT)
        if len(ends) and len(starts):
            distances.append(int(ends[-1]) + 1 - int(starts[0]))
    return left.x + (max(distances) if distances else left.ink.shape[1])


def _enlarged(image: Plane, scale: float) -> Plane:
    side = max(1, round(SIDE * scale))
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    enlarged: Plane = np.clip(np.asarray(resized), 0, 1)
    return enlarged


def _trimmed(ink: Plane) -> Plane:
    """Cuts away the empty rows and columns around the ink."""
    is_inked = ink >= min(_CONTACT, float(ink.max()) / 2)
    rows, columns = np.flatnonzero(is_inked.any(axis=1)), np.flatnonzero(is_inked.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _size(rng: Rng) -> float:
    """Pixels for one of MNIST's: digits of 20 to 100 pixels."""
    return float(np.exp(rng.uniform(np.log(1), np.log(5))))


def _on_white(marks: Sequence[Mark], text: str, scale: float, rng: Rng) -> NumberPicture:
    margins = rng.uniform(4, 16, 4) * scale
    left, top, right, bottom = (round(margin) for margin in margins)
    width = max(mark.x + mark.ink.shape[1] for mark in marks) + left + right
    height = max(mark.y + mark.ink.shape[0] for mark in marks) + top + bottom
    ink = np.zeros((height, width), np.float32)
    placed = [Mark(mark.ink, mark.x + left, mark.y + top) for mark in marks]
    for mark in placed:
        rows, columns = mark.ink.shape
        part = ink[mark.y : mark.y + rows, mark.x : mark.x + columns]
        np.maximum(part, mark.ink, out=part)
    dark = rng.uniform(0, 0.3)
    return NumberPicture(
        encode(1 - (1 - dark) * ink), text, tuple(bounds(mark.points()) for mark in placed)
    )
