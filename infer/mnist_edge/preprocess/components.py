"""Connected components of ink: which are the digit, and which are dust, frames or neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.morphology import dilate
from mnist_edge.types import Mask

__all__ = ["Box", "bounding_box", "bounding_boxes", "connected_components", "select_digit"]

Labels = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Limits:
    """Thresholds of `select_digit`."""

    dust_area: float = 0.02
    """Smaller components are dust; fraction of the largest one's area."""

    part_area: float = 0.06
    """Larger components may be parts of the digit; fraction of the largest one's area."""

    part_distance: float = 0.35
    """Largest gap between the digit and a part of it, fraction of the digit's size."""

    scrap_distance: float = 0.1
    """Largest gap between the digit and what is smaller than a part, fraction of its size."""

    bridged_gap: float = 0.012
    """Gaps up to twice this do not interrupt a stroke; fraction of the picture's longer side."""

    framed_size: float = 0.25
    """A frame holds a component larger than this, as a fraction of the frame's size. The dust
    inside the loop of a digit is smaller."""

    most_components: int = 24
    """Only the largest ones are considered."""


_LIMITS = _Limits()


class Box(NamedTuple):
    """A rectangle of pixels: first row and column, and the ones after the last."""

    top: int
    bottom: int
    left: int
    right: int


def select_digit(mask: Mask) -> Mask:
    """Keeps the connected components that make up the digit.

    The digit is the largest component that does not touch the picture's edge, or the largest of
    all where every large one does. A frame round another component is never the digit. Components
    near it are kept unless they are dust, or touch the edge while the digit does not.

    Args:
        mask: bool ``[H, W]``, True = ink, with at least one True.

    Returns:
        bool ``[H, W]``, a part of `mask` that is not empty.
    """
    bridge = max(1, round(_LIMITS.bridged_gap * max(mask.shape)))
    labels, count = connected_components(dilate(mask, 2 * bridge + 1))
    labels = np.where(mask, labels, 0)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    sides = bounding_boxes(labels, count)
    top, bottom, left, right = sides
    size = np.maximum(bottom - top, right - left) + 1
    large = _largest(areas)
    for outer in large:
        is_frame = any(
            top[outer] < top[inner]
            and bottom[outer] > bottom[inner]
            and left[outer] < left[inner]
            and right[outer] > right[inner]
            and size[inner] > _LIMITS.framed_size * size[outer]
            for inner in large
        )
        if is_frame:
            areas[outer] = 0
    height, width = mask.shape
    on_edge = (top == 0) | (left == 0) | (bottom == height - 1) | (right == width - 1)
    inner = np.where(on_edge, 0, areas)
    candidates = inner if inner.max() >= _LIMITS.part_area * areas.max() else areas
    digit: Mask = _largest_and_near(candidates, sides)[labels]
    return digit


def _largest_and_near(areas: Integers, sides: Integers) -> Mask:
    """Marks the largest component and those near it: bool ``[count + 1]``."""
    largest, *waiting = _largest(areas)
    box = sides[:, largest].copy()
    kept = np.zeros(len(areas), dtype=bool)
    kept[largest] = True
    while waiting:
        size = max(box[1] - box[0], box[3] - box[2]) + 1
        joining = []
        for component in waiting:
            top, bottom, left, right = sides[:, component]
            gap = np.hypot(
                max(0, top - box[1], box[0] - bottom), max(0, left - box[3], box[2] - right)
            )
            is_part = areas[component] >= _LIMITS.part_area * areas[largest]
            if gap < (_LIMITS.part_distance if is_part else _LIMITS.scrap_distance) * size:
                joining.append(component)
        if not joining:
            break
        kept[joining] = True
        waiting = [component for component in waiting if component not in joining]
        box[0::2] = np.minimum(box[0::2], sides[0::2, joining].min(axis=1))
        box[1::2] = np.maximum(box[1::2], sides[1::2, joining].max(axis=1))
    return kept


def _largest(areas: Integers) -> list[int]:
    """Lists the components that are not dust, the largest first."""
    order = np.argsort(-areas, kind="stable")[: _LIMITS.most_components]
    smallest = max(1, _LIMITS.dust_area * areas.max())
    return [int(component) for component in order if areas[component] >= smallest]


def bounding_box(mask: Mask) -> Box:
    """Finds the smallest box that holds all of a mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def bounding_boxes(labels: Labels, count: int) -> Integers:
    """Finds the first and last row, and first and last column, of every component.

    Args:
        labels: int32 ``[H, W]`` of `connected_components`.
        count: number of components.

    Returns:
        int64 ``[4, count + 1]``: top, bottom, left, right, the last ones included. The column of
        label 0, the background, means nothing.
    """
    sides = np.empty((4, count + 1), dtype=np.int64)
    sides[0::2], sides[1::2] = max(labels.shape), -1
    rows, columns = np.nonzero(labels)
    inked = labels[rows, columns]
    for first, values in ((0, rows), (2, columns)):
        np.minimum.at(sides[first], inked, values)
        np.maximum.at(sides[first + 1], inked, values)
    return sides


def connected_components(mask: Mask) -> tuple[Labels, int]:
    """Labels the 8-connected components of a mask.

    Horizontal runs are found for the whole picture at once; union-find joins those that touch in
    neighbouring rows (Rosenfeld and Pfaltz 1966). A stroke is a few runs a row, so the loop in
    Python is short.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        int32 ``[H, W]``, 0 = background, 1..count; and the count.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, stops = np.nonzero(change == -1)
    parent = list(range(len(rows)))  # of each run in its tree; a root is its own
    first_of_row = np.searchsorted(rows, np.arange(height + 1)).tolist()
    begin, end = starts.tolist(), stops.tolist()
    for row in range(1, height):
        above, above_stop = first_of_row[row - 1], first_of_row[row]
        for run in range(first_of_row[row], first_of_row[row + 1]):
            while above < above_stop and end[above] < begin[run]:
                above += 1
            touching, root = above, run
            while touching < above_stop and begin[touching] <= end[run]:
                root_above = touching
                while parent[root_above] != root_above:
                    parent[root_above] = parent[parent[root_above]]
                    root_above = parent[root_above]
                parent[root] = root_above
                root = root_above
                touching += 1

    roots = np.array(parent, dtype=np.int64)
    while (roots != roots[roots]).any():  # each pass halves the way to the root
        roots = roots[roots]
    numbers = np.unique(roots, return_inverse=True)[1] + 1
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.repeat(numbers, stops - starts)
    return labels, int(numbers.max(initial=0))
