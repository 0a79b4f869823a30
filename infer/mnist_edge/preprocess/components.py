"""Connected components of ink: which are the digit, and which are dust, frames or neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.runs import Runs
from mnist_edge.types import Mask

__all__ = ["Box", "Components", "bounding_box", "connected_components", "select_digit"]

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
    bits = BitMask.of(mask)
    bridge = max(1, round(_LIMITS.bridged_gap * max(mask.shape)))
    bridged = Components.of(bits.dilate(bridge))
    components = bridged.restricted_to(Runs.of(bits))
    areas = components.areas()
    sides = components.sides()
    boxes = sides.T.tolist()  # plain numbers are compared faster than numpy's
    large = _largest(areas)
    for outer in large:
        if any(_is_framed(boxes[inner], boxes[outer]) for inner in large):
            areas[outer] = 0
    top, bottom, left, right = sides
    height, width = mask.shape
    on_edge = (top == 0) | (left == 0) | (bottom == height - 1) | (right == width - 1)
    inner = np.where(on_edge, 0, areas)
    candidates = inner if inner.max() >= _LIMITS.part_area * areas.max() else areas
    kept = np.zeros(len(areas), dtype=bool)
    kept[_largest_and_near(candidates, boxes)] = True
    return components.mask(kept)


def _is_framed(inner: list[int], outer: list[int]) -> bool:
    """Whether a box holds another that is not small; top, bottom, left, right of each."""
    return (
        outer[0] < inner[0]
        and outer[1] > inner[1]
        and outer[2] < inner[2]
        and outer[3] > inner[3]
        and _size(inner) > _LIMITS.framed_size * _size(outer)
    )


def _size(box: list[int]) -> int:
    top, bottom, left, right = box
    return max(bottom - top, right - left) + 1


def _largest_and_near(areas: Integers, boxes: list[list[int]]) -> list[int]:
    """Lists the largest component and those near it.

    Args:
        areas: pixels of each.
        boxes: top, bottom, left, right of each, the last ones included.
    """
    largest, *waiting = _largest(areas)
    kept = [largest]
    box = boxes[largest]
    part_area = _LIMITS.part_area * int(areas[largest])
    while waiting:
        size = _size(box)
        joining = []
        for component in waiting:
            top, bottom, left, right = boxes[component]
            gap = math.hypot(
                max(0, top - box[1], box[0] - bottom), max(0, left - box[3], box[2] - right)
            )
            is_part = areas[component] >= part_area
            if gap < (_LIMITS.part_distance if is_part else _LIMITS.scrap_distance) * size:
                joining.append(component)
        if not joining:
            break
        kept += joining
        waiting = [component for component in waiting if component not in joining]
        tops, bottoms, lefts, rights = zip(box, *(boxes[i] for i in joining), strict=True)
        box = [min(tops), max(bottoms), min(lefts), max(rights)]
    return kept


def _largest(areas: Integers) -> list[int]:
    """Lists the components that are not dust, the largest first."""
    order = np.argsort(-areas, kind="stable")[: _LIMITS.most_components].tolist()
    smallest = max(1, _LIMITS.dust_area * int(areas[order[0]]))
    return [component for component in order if areas[component] >= smallest]


def bounding_box(mask: Mask) -> Box:
    """Finds the smallest box that holds all of a mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True)
class Components:
    """The 8-connected components of a mask.

    Attributes:
        runs: the runs of the mask.
        numbers: the component of every run, 1..count.
        count: number of components.
    """

    runs: Runs
    numbers: Integers
    count: int

    @classmethod
    def of(cls, mask: BitMask) -> Components:
        """Finds the components of a mask.

        Union-find joins runs that touch in neighbouring rows (Rosenfeld and Pfaltz 1966). A stroke
        is a few runs a row, so the loop in Python is short.
        """
        runs = Runs.of(mask)
        first, end = runs.touching_above()
        parent = list(range(len(runs.starts)))  # of each run in its tree; a root is its own
        for run, (above, above_stop) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
            root = run
            for touching in range(above, above_stop):
                root_above = touching
                while parent[root_above] != root_above:
                    parent[root_above] = parent[parent[root_above]]
                    root_above = parent[root_above]
                parent[root] = root_above
                root = root_above
        roots = np.array(parent, dtype=np.int64)
        while (roots != roots[roots]).any():  # each pass halves the way to the root
            roots = roots[roots]
        numbers = np.cumsum(roots == np.arange(len(roots)))[roots]
        return cls(runs, numbers, int(numbers.max(initial=0)))

    def restricted_to(self, part: Runs) -> Components:
        """The same components of a part of the mask.

        Args:
            part: runs, each of them inside one of this mask's.
        """
        inside = np.searchsorted(self.runs.starts, part.starts, side="right") - 1
        return Components(part, self.numbers[inside], self.count)

    def areas(self) -> Integers:
        """Pixels of every component: int64 ``[count + 1]``, that of number 0 is 0."""
        lengths = self.runs.stops - self.runs.starts
        return np.bincount(self.numbers, lengths, minlength=self.count + 1).astype(np.int64)

    def sides(self) -> Integers:
        """Finds the first and last row, and first and last column, of every component.

        Returns:
            int64 ``[4, count + 1]``: top, bottom, left, right, the last ones included. The column
            of number 0 means nothing.
        """
        sides = np.empty((4, self.count + 1), dtype=np.int64)
        sides[0::2], sides[1::2] = max(self.runs.shape), -1
        rows, lefts = np.divmod(self.runs.starts, self.runs.stride)
        rights = lefts + (self.runs.stops - self.runs.starts - 1)
        np.minimum.at(sides[0], self.numbers, rows)
        np.maximum.at(sides[1], self.numbers, rows)
        np.minimum.at(sides[2], self.numbers, lefts)
        np.maximum.at(sides[3], self.numbers, rights)
        return sides

    def mask(self, kept: Mask) -> Mask:
        """Some of the components.

        Args:
            kept: bool ``[count + 1]``.

        Returns:
            bool ``[H, W]``.
        """
        mask: Mask = self.runs.paint(kept[self.numbers])
        return mask


def connected_components(mask: Mask) -> tuple[Labels, int]:
    """Labels the 8-connected components of a mask.

    Args:
        mask: bool ``[H, W]``.

    Returns:
        int32 ``[H, W]``, 0 = background, 1..count; and the count.
    """
    components = Components.of(BitMask.of(mask))
    return components.runs.paint(components.numbers.astype(np.int32)), components.count
