"""Timing of calls: one monotonic clock, warm-up, and rounds in which all targets are interleaved.

In a round, every call has its turn. What else the machine does, and how warm it is, affects all of
them alike. The order is shuffled anew for each round, so that no call always follows the same one.

Two reference graphs are timed in every round. ``minimal`` does nothing: its time is that of
onnxruntime and its binding, a part of every other time. The other one always does the same work:
it relates two runs on a machine that was slower when the first was measured (see
`mnist_edge.bench.compare`).
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files

import numpy as np

from mnist_edge.runtime import create_session

__all__ = [
    "MINIMAL",
    "REFERENCE",
    "REFERENCE_FILES",
    "Call",
    "clock_overhead",
    "garbage_collection_paused",
    "is_settled",
    "reference_call",
    "reference_sha256",
    "time_calls",
    "time_interleaved",
    "warm_up",
    "warm_up_all",
]

Call = Callable[[], object]

MINIMAL = "minimal"
"""Name of the graph that does nothing."""

REFERENCE = "calibration"
"""Name of the graph of constant work, in the JSON of this and of earlier versions."""

REFERENCE_FILES = {MINIMAL: "minimal.onnx", REFERENCE: "reference.onnx"}
"""The reference graphs' files in this package; `tests/benchmarks/make_references.py` makes them."""

_SETTLED = 0.02
"""Largest difference between two windows' medians, as a fraction of the smaller, once warm."""

_MOST_WINDOWS = 50
"""Windows after which the warm-up ends in any case."""

_FEWEST_CALLS = 3
"""Calls whose median one interruption does not move far."""

_CLOCK_READINGS = 10_000


def time_calls(call: Call, budget_ns: int) -> list[int]:
    """Times single calls for a while; three at least.

    One call comes first, untimed: the caches still hold the data of the call before.

    Args:
        call: the code to time.
        budget_ns: how long to go on, nanoseconds.

    Returns:
        nanoseconds of each call.
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
        if stop >= end and len(times) >= _FEWEST_CALLS:
            return times


def warm_up(call: Call, window_ns: int) -> bool:
    """Calls until three windows in a row agree.

    Args:
        call: the code to warm up.
        window_ns: length of a window, nanoseconds.

    Returns:
        False if 50 windows were not enough.
    """
    medians: list[float] = []
    for _ in range(_MOST_WINDOWS):
        medians.append(statistics.median(time_calls(call, window_ns)))
        if is_settled(medians):
            return True
    return False


def warm_up_all(calls: Sequence[Call], window_ns: int) -> list[bool]:
    """Warms up several calls, one after the other; see `warm_up`."""
    with garbage_collection_paused():
        return [warm_up(call, window_ns) for call in calls]


def is_settled(medians: Sequence[float]) -> bool:
    """Whether each of the last two windows is within 2 % of the one before it."""
    last = medians[-3:]
    return len(last) == 3 and all(
        max(pair) <= (1 + _SETTLED) * min(pair) for pair in itertools.pairwise(last)
    )


def time_interleaved(
    calls: Sequence[Call], rounds: int, slot_ns: int, seed: int
) -> list[list[list[int]]]:
    """Times every call in every round.

    Args:
        calls: what is compared.
        rounds: how often each call has its turn.
        slot_ns: length of a turn, nanoseconds; three calls at least.
        seed: of the order within the rounds.

    Returns:
        for each of `calls`, for each round, the nanoseconds of every single call.
    """
    shuffle = random.Random(seed).shuffle
    order = list(range(len(calls)))
    times: list[list[list[int]]] = [[] for _ in calls]
    with garbage_collection_paused():
        for _ in range(rounds):
            shuffle(order)
            for index in order:
                times[index].append(time_calls(calls[index], slot_ns))
    return times


def clock_overhead() -> float:
    """Median nanoseconds between two readings in a row: a part of every measured time."""
    now = time.perf_counter_ns
    return statistics.median(-(now() - now()) for _ in range(_CLOCK_READINGS))


def reference_call(name: str) -> Call:
    """One call of a reference graph, `MINIMAL` or `REFERENCE`, on one thread."""
    session = create_session(_reference_bytes(name))
    (node,) = session.get_inputs()
    return partial(session.run, None, {node.name: np.full(node.shape, 0.5, dtype=np.float32)})


def reference_sha256() -> str:
    """SHA-256 of the graph of constant work: runs with another one cannot be compared."""
    return hashlib.sha256(_reference_bytes(REFERENCE)).hexdigest()


def _reference_bytes(name: str) -> bytes:
    return files("mnist_edge.bench").joinpath(REFERENCE_FILES[name]).read_bytes()


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Keeps Python's garbage collector from running in the middle of a round."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
