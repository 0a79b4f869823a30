"""Which lines of a picture stand beside one another, and in which order they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.text_line import LINE_HEIGHT

__all__ = ["rows_of"]

Matrix = npt.NDArray[np.float64]

_OVERLAP = 12.0
"""Pixels of a line's image that the middle of another on the same row may lie above or below its
own: half a digit."""


def rows_of(matrices: Sequence[Matrix], widths: Sequence[int]) -> list[list[int]]:
    """Groups lines to rows.

    Two lines are of one row where the middle of each lies within the other, prolonged along its
    slant. Rows come from the top to the bottom, the lines of a row from left to right: by what
    stands beside what first, so that no small step up or down exchanges two of them.

    Args:
        matrices: float64 ``[2, 3]`` of each line, from its image to the picture.
        widths: of their images, pixels.

    Returns:
        positions in the arguments, by row.
    """
    count = len(matrices)
    if count < 2:
        return [[index] for index in range(count)]
    middles = np.array(
        [
            matrix @ (width / 2, LINE_HEIGHT / 2, 1.0)
            for matrix, width in zip(matrices, widths, strict=True)
        ]
    )
    off = np.array([_off_the_middle(matrix, middles) for matrix in matrices])
    are_beside = (off <= _OVERLAP) & (off.T <= _OVERLAP)
    direction = np.mean([matrix[:, 0] / np.hypot(*matrix[:, 0]) for matrix in matrices], axis=0)
    # Upside down, say: rows are then read as they lie in the picture.
    if np.hypot(*direction) < 0.5:
        direction = np.array([1.0, 0.0])
    along = middles @ direction
    down = middles @ np.array([-direction[1], direction[0]])
    rows = _connected(are_beside)
    rows.sort(key=lambda members: float(np.mean(down[members])))
    return [sorted(members, key=lambda index: float(along[index])) for members in rows]


def _off_the_middle(matrix: Matrix, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How far points of the picture lie from a line's middle, pixels of the line's image."""
    linear, offset = matrix[:, :2], matrix[:, 2]
    if abs(np.linalg.det(linear)) < 1e-9:
        return np.full(len(points), np.inf)
    inside = np.linalg.solve(linear, (points - offset).T)
    distance: npt.NDArray[np.float64] = np.abs(inside[1] - LINE_HEIGHT / 2)
    return distance


def _connected(are_beside: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Connected components of a graph, given as a symmetric matrix."""
    waiting = set(range(len(are_beside)))
    groups = []
    while waiting:
        group = {min(waiting)}
        reached = list(group)
        while reached:
            beside = set(np.flatnonzero(are_beside[reached.pop()]).tolist()) - group
            group |= beside
            reached += beside
        waiting -= group
        groups.append(sorted(group))
    return groups
