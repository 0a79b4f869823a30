"""Arrays of any type and shape, as Python programs have them."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fuzz.containers import array_file
from tests.fuzz.engine import Campaign
from tests.fuzz.findings import Report
from tests.fuzz.guards import Guard
from tests.fuzz.roads import classifier, try_one
from tests.fuzz.seeds import Case, chance_of

__all__ = ["Arrays"]


class Arrays(Campaign):
    """NumPy arrays of any type and shape, given to `DigitClassifier.predict`.

    Args:
        seed: of the campaign.
    """

    name = "arrays"
    at_once = 64

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def case(self, number: int) -> Case:
        array = self._array(number)
        return Case(number, f"{array.dtype} {array.shape}", ".npy", array_file(array))

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        del work
        for case in cases:
            predict = functools.partial(classifier().predict, self._array(case.number))
            try_one(case.number, predict, guard, report)

    def _array(self, number: int) -> npt.NDArray[Any]:
        chance = chance_of(self.name, self._seed, number)
        sizes = (0, 1, 2, 3, 4, 5, 8, 20, 28, 28, 28, 28, 40, 64, 300)
        shape = tuple(chance.choice(sizes) for _ in range(chance.choice((0, 1, 2, 2, 2, 3, 3, 4))))
        while np.prod(shape) > 300_000:
            shape = shape[1:]
        rng = np.random.default_rng(chance.getrandbits(32))
        values = rng.random(shape) * chance.choice((0, 1, 1, 1, 255, 256, 65535, 1e30, -1))
        values = np.where(values > np.median(values), values, 0) if values.size else values
        if values.size and chance.random() < 0.1:
            values.flat[0] = chance.choice((np.nan, np.inf, -np.inf, -1, 1e308))
        with np.errstate(all="ignore"):
            array: npt.NDArray[Any] = values.astype(chance.choice(_DTYPES))
        return _rearranged(array, chance)


_DTYPES: tuple[str, ...] = (
    "u1",
    "u1",
    "u1",
    "i1",
    "u2",
    "i2",
    ">u2",
    "i4",
    "u4",
    "i8",
    "u8",
    "f2",
    "f4",
    "f4",
)
_DTYPES += (">f4", "f8", "f8", "g", "?", "c8", "S3", "U3", "O")


def _rearranged(array: npt.NDArray[Any], chance: random.Random) -> npt.NDArray[Any]:
    """Another order in memory: backwards, by column, every other pixel, not to be written."""
    kind = chance.randrange(8)
    if kind == 0 and array.ndim:
        return array[::-1]
    if kind == 1:
        return np.asfortranarray(array)
    if kind == 2 and array.ndim > 1:
        return array[:, ::2]
    if kind == 3:
        array.flags.writeable = False
    return array
