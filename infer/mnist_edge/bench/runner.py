"""A whole run: sittings, starts, accuracy, and what the machine did meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnist_edge import __version__
from mnist_edge.bench.cold_start import Start, cold_start, start
from mnist_edge.bench.machine import (
    Sensors,
    available_cores,
    device_facts,
    missing_sensors,
    read_sensors,
    what_happened,
)
from mnist_edge.bench.process_run import Sitting, sit_down
from mnist_edge.bench.reference import calibration_sum
from mnist_edge.bench.report import Measurement, Report, SubjectReport
from mnist_edge.bench.scenarios import (
    Plan,
    Scenario,
    example_images,
    is_ours,
    load_test_digits,
    workloads,
)
from mnist_edge.bench.stats import Rounds, comparable, quiet
from mnist_edge.bench.subprocess_run import in_fresh_process
from mnist_edge.bench.targets import Subject
from mnist_edge.mnist import Bytes

__all__ = ["measure", "steps"]

_IDLE_S = 0.2
_TOLERATED = 0.1
"""Part of the rounds that may be disturbed without a word."""

_FEWEST_SITTINGS = 5
"""With fewer, no interval over medians can reach 95 % (of 4, the range holds 88 %)."""


@dataclasses.dataclass(frozen=True)
class _Starts:
    """What one subject's fresh processes saw, in all sittings."""

    fresh: list[Start] = dataclasses.field(default_factory=list)
    cold_ms: list[float] = dataclasses.field(default_factory=list)


def _in_a_process_of_its_own(plan: Plan, number: int) -> Sitting:
    """A sitting, as all but tests of the instrument have it."""
    return in_fresh_process(sit_down, plan, number)


def steps(plan: Plan) -> int:
    """How often `measure` calls `advance`."""
    starts = len(plan.subjects) if Scenario.START in plan.scenarios else 0
    return plan.sittings * (1 + starts)


def measure(
    plan: Plan,
    *,
    watts: float | None = None,
    sitting: Callable[[Plan, int], Sitting] = _in_a_process_of_its_own,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Measures all that a plan names.

    Args:
        plan: what, and how long.
        watts: of the whole device while it runs, read from a meter.
        sitting: what one sitting sees, of the plan and its number.
        advance: called after each of the `steps`.

    Raises:
        ModelError: a model cannot be loaded, or compared.
        DatasetError: the test images were named and are missing, or are damaged.
        ImageError: the picture for ``end-to-end`` cannot be answered.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    before = read_sensors()
    digits = load_test_digits(plan.data)
    subjects = [Subject.load(*spec, digits=digits) for spec in plan.subjects]
    starts = [_Starts() for _ in subjects]
    sat: list[Sitting] = []
    with _with_image(plan, digits) as whole:
        for number in range(plan.sittings):
            sat.append(sitting(whole, number))
            advance()
            if Scenario.START in plan.scenarios:
                for index in random.Random(number).sample(range(len(subjects)), len(subjects)):
                    _start_once(subjects[index], whole, starts[index])
                    advance()
        # Where the machine was disturbed, as many again at the most, in the hope of quiet ones.
        while len(sat) < 2 * plan.sittings and _quiet_sittings(sat) < plan.sittings:
            sat.append(sitting(whole, len(sat)))
    after = read_sensors()
    accuracies = _accuracies(subjects, digits)
    return Report(
        version=__version__,
        started=started,
        settings=_settings(plan),
        environment=device_facts(),
        before=before,
        after=after,
        warnings=[
            *what_happened(before, after, available_cores()),
            *_doubts(plan, sat),
        ],
        notes=_notes(plan, after, sat, digits),
        clock_ns=statistics.median(own.clock_ns for own in sat),
        calibration=calibration_sum(),
        watts=watts,
        references={
            name: Measurement.of(None, name, 1, [own.references[name] for own in sat])
            for name in sat[0].references
        },
        subjects=[
            _subject_report(subject, accuracy, own, [one.millijoules.get(index) for one in sat])
            for index, (subject, accuracy, own) in enumerate(
                zip(subjects, accuracies, starts, strict=True)
            )
        ],
        measurements=[
            Measurement.of(
                own.subject,
                own.scenario,
                own.pictures,
                [one.times[own] for one in sat],
                settled=not any(own in one.unsettled for one in sat),
            )
            for own in workloads(plan, subjects)
        ],
    )


@contextlib.contextmanager
def _with_image(plan: Plan, digits: tuple[Bytes, Bytes] | None) -> Iterator[Plan]:
    """The plan with a file to read, which is there as long as the block lasts."""
    if plan.image is not None:
        yield plan
        return
    with tempfile.TemporaryDirectory(prefix="mnist-edge-") as folder:
        image = Path(folder, "digit.png")
        Image.fromarray(example_images(digits)[0]).save(image)
        yield dataclasses.replace(plan, image=image)


def _start_once(subject: Subject, plan: Plan, starts: _Starts) -> None:
    feed = subject.feed(np.zeros((subject.batch or 1, 28, 28), dtype=np.uint8))
    name, threads, provider = subject.name, subject.threads, subject.provider
    starts.fresh.append(in_fresh_process(start, name, threads, provider, feed, _IDLE_S))
    if is_ours(subject) and plan.image is not None:
        starts.cold_ms.append(cold_start(name, threads, plan.image))


def _accuracies(
    subjects: Sequence[Subject], digits: tuple[Bytes, Bytes] | None
) -> list[float | None]:
    """Of each; the number of threads changes no answer."""
    known: dict[tuple[str, str], float | None] = {}
    for subject in subjects:
        if (key := (subject.name, subject.provider)) not in known:
            known[key] = subject.accuracy(*digits) if digits and subject.tells_digits else None
    return [known[subject.name, subject.provider] for subject in subjects]


def _subject_report(
    subject: Subject, accuracy: float | None, starts: _Starts, millijoules: list[float | None]
) -> SubjectReport:
    return SubjectReport(
        name=subject.name,
        threads=subject.threads,
        provider=subject.provider,
        sha256=hashlib.sha256(subject.content).hexdigest(),
        size_bytes=len(subject.content),
        scaling=subject.scaling,
        layout=subject.layout,
        batch=subject.batch,
        accuracy=accuracy,
        load_ms=[one.load_ms for one in starts.fresh],
        first_ms=[one.first_ms for one in starts.fresh],
        cold_ms=starts.cold_ms,
        peak_mib=_median([one.peak_mib for one in starts.fresh]),
        steady_mib=_median([one.steady_mib for one in starts.fresh]),
        idle_cpu_ms=_median([one.idle_cpu_ms for one in starts.fresh]),
        millijoules=_median(millijoules),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _settings(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it."""
    settings: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(plan), default=str))
    return settings


def _doubts(plan: Plan, sat: Sequence[Sitting]) -> list[str]:
    doubts = []
    if plan.sittings < _FEWEST_SITTINGS:
        doubts.append(
            f"with fewer than {_FEWEST_SITTINGS} sittings, the intervals are narrower than they say"
        )
    if unsettled := {own for one in sat for own in one.unsettled}:
        doubts.append(
            f"{len(unsettled)} of {len(sat[0].times)} queries had not settled to 2 % after warming "
            "up; the machine is busy or changes its frequency"
        )
    calibration = _calibration(sat)
    disturbed = ~quiet(calibration)
    if disturbed.mean() > _TOLERATED:
        where = "all figures" if comparable(calibration).all() else "all times, and in no ratio"
        doubts.append(
            f"{np.count_nonzero(disturbed)} of {disturbed.size} rounds, in {len(sat)} sittings, "
            f"were disturbed: something else had the core; they are in {where}"
        )
    return doubts


def _calibration(sat: Sequence[Sitting]) -> Rounds:
    """Medians of the calibration graph's rounds."""
    return np.array(
        [[statistics.median(calls) for calls in one.references["calibration"]] for one in sat]
    )


def _quiet_sittings(sat: Sequence[Sitting]) -> int:
    return int(np.count_nonzero(quiet(_calibration(sat)).any(axis=1)))


def _notes(
    plan: Plan, sensors: Sensors, sat: Sequence[Sitting], digits: tuple[Bytes, Bytes] | None
) -> list[str]:
    notes = []
    if len(sat) > plan.sittings:
        notes.append(f"{len(sat)} sittings instead of {plan.sittings}, for some were disturbed")
    if missing := missing_sensors(sensors):
        notes.append(f"this machine does not tell its {', '.join(missing)}")
    if not any(one.millijoules for one in sat):
        notes.append("no energy counter can be read; --watts takes what a meter shows")
    if digits is None:
        notes.append("MNIST's test images are not here, so accuracy is not measured; see --data")
    return notes
