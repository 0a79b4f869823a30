"""Masks as runs: the stretches of ink in their rows, of which there are far fewer than pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.bitmask import BitMask

__all__ = ["Runs"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """The runs of a mask, row by row.

    Attributes:
        starts, stops: int64 ``[N]``, the first pixel of each run, and the one after its last.
            Pixels are counted row by row; one more than there is ends every row.
        shape: height and width of the mask, pixels.
    """

    starts: Integers
    stops: Integers
    shape: tuple[int, int]

    @classmethod
    def of(cls, mask: BitMask) -> Runs:
        """Finds the runs of a mask."""
        edges = np.flatnonzero(mask.flat(mask.bits ^ mask.bits << 1))
        return cls(edges[0::2], edges[1::2], mask.shape)

    @property
    def stride(self) -> int:
        """Pixels from one row to the next."""
        return self.shape[1] + 1

    def touching_above(self) -> tuple[Integers, Integers]:
        """Finds the runs of the row above that touch each run, at least with a corner.

        Returns:
            the first of them, and the one after the last.
        """
        first = np.searchsorted(self.stops, self.starts - self.stride)
        return first, np.searchsorted(self.starts, self.stops - self.stride, side="right")

    def paint(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Fills every run with its value: ``[H, W]`` of the same type, 0 elsewhere."""
        height, stride = self.shape[0], self.stride
        ends = np.empty(2 * len(self.starts) + 1, np.int64)
        ends[0:-1:2], ends[1::2], ends[-1] = self.starts, self.stops, height * stride
        painted = np.zeros(len(ends), values.dtype)
        painted[1::2] = values
        flat = np.repeat(painted, np.diff(ends, prepend=0))
        return np.ascontiguousarray(flat.reshape(height, stride)[:, :-1])
