"""Rounds in which everything that is compared takes its turn.

What else the machine does, and how warm it is, falls on all alike, and the order is another one in
each round, so that nobody always follows the same neighbour.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from mnist_edge.bench.timing import Call, quiet, time_calls, warm_up

__all__ = ["interleaved", "warmed_up"]


def warmed_up(calls: Sequence[Call], window_ns: int) -> list[bool]:
    """Warms up each; says of each whether it settled."""
    with quiet():
        return [warm_up(call, window_ns) for call in calls]


def interleaved(
    calls: Sequence[Call], rounds: int, slot_ns: int, seed: int
) -> list[list[list[int]]]:
    """Times every call in every round.

    Args:
        calls: what is compared.
        rounds: how often each has its turn.
        slot_ns: how long a turn lasts, nanoseconds; three calls at least.
        seed: of the order.

    Returns:
        for each of `calls`, for each round, the nanoseconds of every single call.
    """
    shuffle = random.Random(seed).shuffle
    order = list(range(len(calls)))
    times: list[list[list[int]]] = [[] for _ in calls]
    with quiet():
        for _ in range(rounds):
            shuffle(order)
            for index in order:
                times[index].append(time_calls(calls[index], slot_ns))
    return times
