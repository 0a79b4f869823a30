"""One worker process of a run: it measures all targets, in interleaved rounds.

Where a process's memory happens to lie makes it faster or slower by some per cent for as long as it
lives (Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong"). So a
run has several worker processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_edge.bench.scenarios import (
    Plan,
    Scenario,
    Workload,
    example_images,
    load_test_digits,
    make_call,
    workloads,
)
from mnist_edge.bench.sensors import energy_counters, millijoules_per_call
from mnist_edge.bench.targets import BenchTarget
from mnist_edge.bench.timing import (
    REFERENCE_FILES,
    clock_overhead,
    reference_call,
    time_interleaved,
    warm_up_all,
)
from mnist_edge.mnist import Bytes

__all__ = ["ProcessRun", "measure_loaded", "run_process"]

_WARM_UP_SLOTS = 5
"""Slots in a window of the warm-up: governors take some 10 ms to raise the frequency."""


@dataclass(frozen=True)
class ProcessRun:
    """What one worker process measured.

    Attributes:
        times: nanoseconds of every call, for each round, by workload.
        references: the same, by reference graph.
        unsettled: workloads that still became faster or slower when the warm-up was given up.
        clock_ns: time of one reading of the clock.
        millijoules: energy of one picture in single-stream, by index of the target; empty where
            there is no energy counter.
    """

    times: dict[Workload, list[list[int]]]
    references: dict[str, list[list[int]]]
    unsettled: list[Workload]
    clock_ns: float
    millijoules: dict[int, float]


def run_process(plan: Plan, number: int) -> ProcessRun:
    """Loads a plan's targets and measures them. To be called in a new process.

    Args:
        plan: what to measure.
        number: of the process, 0 and up; the order in its rounds depends on it.
    """
    digits = load_test_digits(plan.data)
    targets = [BenchTarget.load(*spec, digits=digits) for spec in plan.targets]
    return measure_loaded(plan, targets, example_images(digits), number)


def measure_loaded(
    plan: Plan, targets: Sequence[BenchTarget], images: Bytes, number: int
) -> ProcessRun:
    """Measures targets that are loaded.

    Args:
        plan: its `targets` are not used.
        targets: in their place.
        images: uint8 ``[N, 28, 28]``, repeated where there are too few.
        number: of the process, 0 and up; the order in its rounds depends on it.
    """
    planned = workloads(plan, targets)
    references = [reference_call(name) for name in REFERENCE_FILES]
    calls = [
        make_call(targets[workload.target], workload, images, plan.image) for workload in planned
    ]
    slot_ns = round(plan.slot_ms * 1e6)
    settled = warm_up_all([*references, *calls], _WARM_UP_SLOTS * slot_ns)[len(references) :]
    seed = plan.seed * 1000 + number
    times = time_interleaved([*references, *calls], plan.rounds, slot_ns, seed)
    counters = energy_counters()
    return ProcessRun(
        times=dict(zip(planned, times[len(references) :], strict=True)),
        references=dict(zip(REFERENCE_FILES, times, strict=False)),
        unsettled=[
            workload
            for workload, is_settled in zip(planned, settled, strict=True)
            if not is_settled
        ],
        clock_ns=clock_overhead(),
        millijoules={
            workload.target: millijoules_per_call(call, counters)
            for workload, call in zip(planned, calls, strict=True)
            if counters and workload.scenario == Scenario.SINGLE_STREAM
        },
    )
