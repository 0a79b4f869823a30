"""One sitting: a process that measures everything that is compared, in interleaved rounds.

Where a process's memory happens to lie makes it faster or slower by some per cent for as long as it
lives (Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong"). So a
run is several sittings, each in a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mnist_edge.bench.energy import counters, millijoules_per_call
from mnist_edge.bench.interleave import interleaved, warmed_up
from mnist_edge.bench.reference import REFERENCES, reference_call
from mnist_edge.bench.scenarios import (
    Plan,
    Workload,
    example_images,
    load_test_digits,
    make_call,
    workloads,
)
from mnist_edge.bench.targets import Subject
from mnist_edge.bench.timing import clock_cost
from mnist_edge.mnist import Bytes

__all__ = ["Sitting", "sit", "sit_down"]

_WARM_SLOTS = 5
"""Slots in a window of the warm-up: governors take some 10 ms to raise the frequency."""


@dataclass(frozen=True)
class Sitting:
    """What one sitting saw.

    Attributes:
        times: nanoseconds of every call, for each round.
        references: the same, of the reference graphs.
        unsettled: what was still getting faster or slower when warming up was given up.
        clock_ns: that a reading of the clock takes.
        millijoules: of one picture in single-stream, by subject; empty where no counter is read.
    """

    times: dict[Workload, list[list[int]]]
    references: dict[str, list[list[int]]]
    unsettled: list[Workload]
    clock_ns: float
    millijoules: dict[int, float]


def sit_down(plan: Plan, number: int) -> Sitting:
    """Loads a plan's subjects, and measures them. To be called in a fresh process."""
    digits = load_test_digits(plan.data)
    subjects = [Subject.load(*spec, digits=digits) for spec in plan.subjects]
    return sit(plan, subjects, example_images(digits), number)


def sit(plan: Plan, subjects: Sequence[Subject], images: Bytes, number: int) -> Sitting:
    """Measures subjects that are loaded.

    Args:
        plan: its `subjects` are not looked at.
        subjects: in their place.
        images: uint8 ``[N, 28, 28]``, to ask for, again and again where there are too few.
        number: of the sitting, 0 and up; the order in its rounds depends on it.
    """
    planned = workloads(plan, subjects)
    references = [reference_call(name) for name in REFERENCES]
    calls = [make_call(subjects[own.subject], own, images, plan.image) for own in planned]
    slot_ns = round(plan.slot_ms * 1e6)
    settled = warmed_up([*references, *calls], _WARM_SLOTS * slot_ns)[len(references) :]
    seed = plan.seed * 1000 + number
    times = interleaved([*references, *calls], plan.rounds, slot_ns, seed)
    energy = counters()
    return Sitting(
        times=dict(zip(planned, times[len(references) :], strict=True)),
        references=dict(zip(REFERENCES, times, strict=False)),
        unsettled=[own for own, is_warm in zip(planned, settled, strict=True) if not is_warm],
        clock_ns=clock_cost(),
        millijoules={
            own.subject: millijoules_per_call(call, energy)
            for own, call in zip(planned, calls, strict=True)
            if energy and own.scenario == "single-stream"
        },
    )
