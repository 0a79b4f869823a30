"""Turns and warming up, on a clock that only moves when something is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from types import SimpleNamespace

import pytest

from mnist_edge.bench import clock
from mnist_edge.bench.interleave import interleaved, warmed_up
from mnist_edge.bench.timing import clock_cost, is_settled, time_calls, warm_up


class Workshop:
    """Calls that take as long as they are told to, in a log of who was called."""

    def __init__(self) -> None:
        self.now = 0
        self.log: list[str] = []

    def read(self) -> int:
        return self.now

    def call(self, name: str, durations: Iterator[int]) -> Callable[[], None]:
        def work() -> None:
            self.log.append(name)
            self.now += next(durations)

        return work


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop()
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter_ns=made.read))
    return made


def test_a_turn_lasts_its_time_and_the_first_call_is_not_timed(workshop: Workshop) -> None:
    times = time_calls(workshop.call("a", chain([900], repeat(100))), 1000)
    assert times == [100] * 10


def test_a_long_call_is_timed_three_times(workshop: Workshop) -> None:
    assert time_calls(workshop.call("a", repeat(5000)), 1000) == [5000] * 3


def test_everything_has_its_turn_in_every_round_in_changing_order(workshop: Workshop) -> None:
    calls = [
        workshop.call(name, repeat(ns)) for name, ns in zip("abcd", (10, 20, 50, 100), strict=True)
    ]
    times = interleaved(calls, rounds=40, slot_ns=1000, seed=0)
    assert [{ns for turn in own for ns in turn} for own in times] == [{10}, {20}, {50}, {100}]
    assert all(len(own) == 40 for own in times)
    turns = [
        now for before, now in zip(["", *workshop.log], workshop.log, strict=False) if now != before
    ]
    # Whoever is last in one round and first in the next has the two turns in one piece.
    assert 125 <= len(turns) < 160
    firsts = {name: turns[: len(turns) // 2].count(name) for name in "abcd"}
    assert min(firsts.values()) >= 10
    again = Workshop()
    assert again.log != workshop.log


def test_the_seed_decides_the_order(workshop: Workshop) -> None:
    def order(seed: int) -> list[str]:
        workshop.log.clear()
        interleaved([workshop.call(name, repeat(100)) for name in "abc"], 5, 300, seed)
        return list(workshop.log)

    assert order(1) == order(1) != order(2)


def test_warming_up_ends_when_three_windows_agree(workshop: Workshop) -> None:
    # 2000 ns each; the times fall until they are steady.
    falling = chain(repeat(1000, 4), repeat(500, 10), repeat(400))
    assert warm_up(workshop.call("a", falling), 2000)
    assert workshop.now < 20_000


def test_what_never_settles_is_said_so(workshop: Workshop) -> None:
    growing = (int(1000 * 1.02**number) for number in count())
    assert warmed_up([workshop.call("a", growing)], 1000) == [False]


@pytest.mark.parametrize(
    ("medians", "settled"),
    [
        ([100], False),
        ([100, 100], False),
        ([100, 101, 100], True),
        ([100, 103, 103], False),
        ([200, 150, 100, 102, 101], True),
        ([100, 100, 100, 110], False),
    ],
)
def test_settled_is_within_two_per_cent_twice(medians: list[float], settled: bool) -> None:
    assert is_settled(medians) is settled


def test_the_clocks_cost_is_measured_on_the_real_one() -> None:
    assert 0 <= clock_cost() < 1e6
