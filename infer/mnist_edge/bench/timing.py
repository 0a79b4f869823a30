"""Time: one monotonic clock in nanoseconds, calls on it, and warming up until it shows no more."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["Call", "clock_cost", "is_settled", "quiet", "time_calls", "warm_up"]

Call = Callable[[], object]

_STEADY = 0.02
"""Largest difference between two windows' medians, as a fraction of the smaller, once warm."""
_WINDOWS = 50
"""Windows after which warming up ends in any case."""
_FEWEST = 3
"""Calls whose median one interruption does not move far."""
_READINGS = 10_000


def time_calls(call: Call, budget_ns: int) -> list[int]:
    """Nanoseconds of each call, for as long as `budget_ns` lasts, and three times at least.

    One call goes before, untimed: the caches are still those of whoever ran last.
    """
    now = time.perf_counter_ns
    call()
    times: list[int] = []
    end = now() + budget_ns
    while True:
        start = now()
        call()
        stop = now()
        times.append(stop - start)
        if stop >= end and len(times) >= _FEWEST:
            return times


def warm_up(call: Call, window_ns: int) -> bool:
    """Calls until three windows in a row agree; False where 50 windows did not get there."""
    medians: list[float] = []
    for _ in range(_WINDOWS):
        medians.append(statistics.median(time_calls(call, window_ns)))
        if is_settled(medians):
            return True
    return False


def is_settled(medians: Sequence[float]) -> bool:
    """Whether each of the last two windows is within 2 % of the one before it."""
    last = medians[-3:]
    return len(last) == 3 and all(
        max(pair) <= (1 + _STEADY) * min(pair) for pair in itertools.pairwise(last)
    )


def clock_cost() -> float:
    """Median nanoseconds between two readings, one right after the other: part of every time."""
    now = time.perf_counter_ns
    return statistics.median(-(now() - now()) for _ in range(_READINGS))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the garbage collector, which would run in somebody's round."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
