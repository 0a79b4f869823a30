"""Which pieces of ink are the digit, and which are dust, a page's edge or a neighbour's stroke."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["find_pieces", "label"]

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

_SMALLEST_PIECE = 0.06
"""Area below which a piece is dust, as a fraction of the largest piece's."""


def find_pieces(mask: Mask) -> Mask:
    """Keeps the pieces of ink that make up the digit.

    The digit is the largest piece that does not touch the picture's edge, or the largest of all
    where every large one does. Pieces beside it are kept unless they are dust, or lie along the
    edge while the digit does not.

    Args:
        mask: bool ``[H, W]``, True = ink, with at least one True.

    Returns:
        bool ``[H, W]``, a part of `mask` that is not empty.
    """
    labels, count = label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    edge = np.zeros(count + 1, dtype=bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        edge[side] = True
    inner = np.where(edge, 0, areas)
    has_inner_digit = inner.max() >= _SMALLEST_PIECE * areas.max()
    candidates = inner if has_inner_digit else areas
    keep = candidates >= max(1, _SMALLEST_PIECE * candidates.max())
    kept: Mask = keep[labels]
    return kept


def label(mask: Mask) -> tuple[Labels, int]:
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
