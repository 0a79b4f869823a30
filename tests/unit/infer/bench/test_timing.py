"""Turns and warm-up, on a clock that only moves when something is called; the reference graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from mnist_edge.bench import timing
from mnist_edge.bench.timing import (
    MINIMAL,
    REFERENCE,
    REFERENCE_FILES,
    clock_overhead,
    is_settled,
    reference_call,
    reference_sha256,
    time_calls,
    time_interleaved,
    warm_up,
    warm_up_all,
)
from tests.benchmarks import make_references


class FakeClock:
    """A clock that calls of a known duration move, and a log of who was called."""

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
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter_ns=fake.read))
    return fake


def test_turn_lasts_its_time_and_first_call_is_not_timed(clock: FakeClock) -> None:
    times = time_calls(clock.call("a", chain([900], repeat(100))), 1000)
    assert times == [100] * 10


def test_long_call_is_timed_three_times(clock: FakeClock) -> None:
    assert time_calls(clock.call("a", repeat(5000)), 1000) == [5000] * 3


def test_every_call_has_its_turn_in_every_round_in_changing_order(clock: FakeClock) -> None:
    durations = (10, 20, 50, 100)
    calls = [clock.call(name, repeat(ns)) for name, ns in zip("abcd", durations, strict=True)]
    times = time_interleaved(calls, rounds=40, slot_ns=1000, seed=0)
    assert [{ns for turn in turns for ns in turn} for turns in times] == [{10}, {20}, {50}, {100}]
    assert all(len(turns) == 40 for turns in times)
    turns = [
        name for before, name in zip(["", *clock.log], clock.log, strict=False) if name != before
    ]
    # The last call of a round may be the first of the next: two turns in one piece.
    assert 125 <= len(turns) < 160
    in_first_half = {name: turns[: len(turns) // 2].count(name) for name in "abcd"}
    assert min(in_first_half.values()) >= 10


def test_seed_decides_the_order(clock: FakeClock) -> None:
    def order(seed: int) -> list[str]:
        clock.log.clear()
        time_interleaved([clock.call(name, repeat(100)) for name in "abc"], 5, 300, seed)
        return list(clock.log)

    assert order(1) == order(1) != order(2)


def test_warm_up_ends_when_three_windows_agree(clock: FakeClock) -> None:
    # 2000 ns each; the times fall until they are steady.
    falling = chain(repeat(1000, 4), repeat(500, 10), repeat(400))
    assert warm_up(clock.call("a", falling), 2000)
    assert clock.now < 20_000


def test_warm_up_reports_what_never_settles(clock: FakeClock) -> None:
    growing = (int(1000 * 1.02**number) for number in count())
    assert warm_up_all([clock.call("a", growing)], 1000) == [False]


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
def test_settled_means_within_two_per_cent_twice(medians: list[float], settled: bool) -> None:
    assert is_settled(medians) is settled


def test_clock_overhead_is_measured_on_the_real_clock() -> None:
    assert 0 <= clock_overhead() < 1e6


def test_reference_graphs_are_those_of_their_script() -> None:
    folder = Path(timing.__file__).parent
    for name, made in (
        (MINIMAL, make_references.minimal()),
        (REFERENCE, make_references.reference()),
    ):
        packaged = onnx.load_from_string((folder / REFERENCE_FILES[name]).read_bytes())
        assert packaged.graph == onnx.load_from_string(made).graph


def test_reference_graph_is_the_one_of_earlier_versions() -> None:
    # The sum of the file in 0.7.0: runs with another graph cannot be compared with its reports.
    assert reference_sha256().startswith("63dd3676fcb69298")


def test_reference_graphs_run() -> None:
    np.testing.assert_array_equal(np.asarray(reference_call(MINIMAL)()), [[0.5]])
    probabilities = np.asarray(reference_call(REFERENCE)())
    np.testing.assert_allclose(probabilities, np.full((1, 1, 10), 0.1), atol=1e-6)
