"""Which pieces of ink are the digit, and which are dust, a page's edge or a neighbour's stroke."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.morphology import dilate

__all__ = ["bounding_boxes", "connected_components", "select_digit"]

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Sides = npt.NDArray[np.int64]

_DUST = 0.02
"""Area below which a piece is dust, as a fraction of the largest piece's."""

_PART, _PART_REACH = 0.06, 0.35
_SCRAP_REACH = 0.1
"""A piece of at least `_PART` of the largest one's area belongs to it within `_PART_REACH` of the
digit's size; a smaller one within `_SCRAP_REACH`."""

_BRIDGED = 0.012
"""Gaps up to twice this, of the picture's longer side, do not interrupt a stroke."""

_FRAMED = 0.25
"""What a frame holds is at least this large, of the frame's longer side; a loop's dust is not."""

_MOST_PIECES = 24


def select_digit(mask: Mask) -> Mask:
    """Keeps the pieces of ink that make up the digit.

    The digit is the largest piece that does not touch the picture's edge, or the largest of all
    where every large one does; a frame round others is none. Pieces near it are kept unless they
    are dust, or lie along the edge while the digit does not.

    Args:
        mask: bool ``[H, W]``, True = ink, with at least one True.

    Returns:
        bool ``[H, W]``, a part of `mask` that is not empty.
    """
    bridge = max(1, round(_BRIDGED * max(mask.shape)))
    labels, count = connected_components(dilate(mask, 2 * bridge + 1))
    labels = np.where(mask, labels, 0)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    sides = bounding_boxes(labels, count)
    areas[_frames(areas, sides)] = 0
    top, bottom, left, right = sides
    height, width = mask.shape
    edge = (top == 0) | (left == 0) | (bottom == height - 1) | (right == width - 1)
    inner = np.where(edge, 0, areas)
    candidates = inner if inner.max() >= _PART * areas.max() else areas
    kept: Mask = _gather(candidates, sides)[labels]
    return kept


def _frames(areas: npt.NDArray[np.int64], sides: Sides) -> list[int]:
    """Pieces whose box holds another large piece on all sides."""
    large = _largest(areas)
    top, bottom, left, right = sides
    size = np.maximum(bottom - top, right - left) + 1
    return [
        outer
        for outer in large
        if any(
            top[outer] < top[inner]
            and bottom[outer] > bottom[inner]
            and left[outer] < left[inner]
            and right[outer] > right[inner]
            and size[inner] > _FRAMED * size[outer]
            for inner in large
        )
    ]


def _gather(areas: npt.NDArray[np.int64], sides: Sides) -> Mask:
    """Which pieces belong to the largest: bool by connected_components."""
    order = _largest(areas)
    box = sides[:, order[0]].copy()
    kept = np.zeros(len(areas), dtype=bool)
    kept[order[0]] = True
    waiting = order[1:]
    while waiting:
        size = max(box[1] - box[0], box[3] - box[2]) + 1
        joining = []
        for piece in waiting:
            top, bottom, left, right = sides[:, piece]
            gap = np.hypot(
                max(0, top - box[1], box[0] - bottom), max(0, left - box[3], box[2] - right)
            )
            is_part = areas[piece] >= _PART * areas[order[0]]
            if gap < (_PART_REACH if is_part else _SCRAP_REACH) * size:
                joining.append(piece)
        if not joining:
            break
        kept[joining] = True
        waiting = [piece for piece in waiting if piece not in joining]
        box[0::2] = np.minimum(box[0::2], sides[0::2, joining].min(axis=1))
        box[1::2] = np.maximum(box[1::2], sides[1::2, joining].max(axis=1))
    return kept


def _largest(areas: npt.NDArray[np.int64]) -> list[int]:
    """Labels of the pieces that are not dust, the largest first."""
    order = np.argsort(-areas, kind="stable")[:_MOST_PIECES]
    return [int(piece) for piece in order if areas[piece] >= max(1, _DUST * areas.max())]


def bounding_boxes(labels: Labels, count: int) -> Sides:
    """First and last row, first and last column of every piece: int64 ``[4, count + 1]``.

    The background, connected_components 0, has none: its entries mean nothing.
    """
    sides = np.empty((4, count + 1), dtype=np.int64)
    sides[0::2], sides[1::2] = max(labels.shape), -1
    rows, columns = np.nonzero(labels)
    pieces = labels[rows, columns]
    for first, values in ((0, rows), (2, columns)):
        np.minimum.at(sides[first], pieces, values)
        np.maximum.at(sides[first + 1], pieces, values)
    return sides


def connected_components(mask: Mask) -> tuple[Labels, int]:
    """Numbers the 8-connected pieces of a mask.

    Horizontal runs are found for the whole picture at once; union-find joins those that touch in
    neighbouring rows (Rosenfeld and Pfaltz 1966). A stroke is a few runs a row, so the loop in
    Python is short.

    Returns:
        int32 ``[H, W]``, 0 = background, 1..count; and the count.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, stops = np.nonzero(change == -1)
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first_of_row = np.searchsorted(rows, np.arange(height + 1)).tolist()
    begin, end = starts.tolist(), stops.tolist()
    for row in range(1, height):
        above, above_stop = first_of_row[row - 1], first_of_row[row]
        for run in range(first_of_row[row], first_of_row[row + 1]):
            while above < above_stop and end[above] < begin[run]:
                above += 1
            touching = above
            while touching < above_stop and begin[touching] <= end[run]:
                parent[root(run)] = root(touching)
                touching += 1

    roots = np.array([root(run) for run in range(len(parent))], dtype=np.int64)
    numbers = np.unique(roots, return_inverse=True)[1] + 1
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.repeat(numbers, stops - starts)
    return labels, int(numbers.max(initial=0))
