"""A whole run: worker processes, starts, accuracy, and the state of the machine around them."""

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
from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.bench.cold_start import (
    StartTimes,
    call_in_new_process,
    measure_start,
    time_program,
)
from mnist_edge.bench.machine import device_facts
from mnist_edge.bench.process_run import ProcessRun, run_process
from mnist_edge.bench.report import Measurement, Report, TargetReport, json_fields
from mnist_edge.bench.scenarios import (
    Plan,
    Scenario,
    example_images,
    load_test_digits,
    workloads,
)
from mnist_edge.bench.sensors import Sensors, machine_warnings, missing_sensors, read_sensors
from mnist_edge.bench.stats import Rounds, comparable_rounds, undisturbed_rounds
from mnist_edge.bench.targets import BenchTarget
from mnist_edge.bench.timing import REFERENCE, reference_sha256
from mnist_edge.mnist import Bytes

__all__ = ["measure", "steps"]

_IDLE_S = 0.2
"""How long a new process stays idle, to measure what its threads burn meanwhile."""

_TOLERATED = 0.1
"""Fraction of the rounds that may be disturbed without a warning."""

_FEWEST_PROCESSES = 5
"""With fewer, no interval over medians can reach 95 % (of 4, the range covers 88 %)."""


@dataclasses.dataclass(frozen=True)
class _Starts:
    """Starts of one target, in all new processes.

    Attributes:
        processes: what each of them measured.
        program_ms: times of whole `mnist-edge predict`s.
    """

    processes: list[StartTimes] = dataclasses.field(default_factory=list)
    program_ms: list[float] = dataclasses.field(default_factory=list)


def _run_new_process(plan: Plan, number: int) -> ProcessRun:
    return call_in_new_process(run_process, plan, number)


def steps(plan: Plan) -> int:
    """How often `measure` calls `advance`."""
    starts = len(plan.targets) if Scenario.START in plan.scenarios else 0
    return plan.processes * (1 + starts)


def measure(
    plan: Plan,
    *,
    watts: float | None = None,
    process: Callable[[Plan, int], ProcessRun] = _run_new_process,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Measures everything that a plan names.

    Args:
        plan: what, and for how long.
        watts: power of the whole device while it runs, read from a meter.
        process: runs one worker process, given the plan and the number of the process.
        advance: called after each of the `steps`.

    Raises:
        ModelError: a model cannot be loaded, or compared.
        DatasetError: the test images were named and are missing, or are damaged.
        ImageError: the picture for ``end-to-end`` cannot be predicted.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    before = read_sensors()
    digits = load_test_digits(plan.data)
    targets = [BenchTarget.load(*spec, digits=digits) for spec in plan.targets]
    with _plan_with_image(plan, digits) as full_plan:
        runs, starts = _run_processes(full_plan, targets, process, advance)
    after = read_sensors()
    accuracies = _accuracies(targets, digits)
    return Report(
        version=__version__,
        started=started,
        settings=_settings(plan),
        environment=device_facts(),
        before=before,
        after=after,
        warnings=[*machine_warnings(before, after, available_cores()), *_run_warnings(plan, runs)],
        notes=_notes(plan, after, runs, digits),
        clock_ns=statistics.median(run.clock_ns for run in runs),
        reference_sha256=reference_sha256(),
        watts=watts,
        references={
            name: Measurement.from_times(None, name, 1, [run.references[name] for run in runs])
            for name in runs[0].references
        },
        targets=[
            _target_report(
                target,
                accuracies[index],
                starts[index],
                [run.millijoules.get(index) for run in runs],
            )
            for index, target in enumerate(targets)
        ],
        measurements=[
            Measurement.from_times(
                workload.target,
                workload.scenario,
                workload.pictures,
                [run.times[workload] for run in runs],
                settled=not any(workload in run.unsettled for run in runs),
            )
            for workload in workloads(plan, targets)
        ],
    )


def _run_processes(
    plan: Plan,
    targets: Sequence[BenchTarget],
    process: Callable[[Plan, int], ProcessRun],
    advance: Callable[[], None],
) -> tuple[list[ProcessRun], list[_Starts]]:
    """Runs the worker processes, one after the other, with the starts of each target between."""
    runs: list[ProcessRun] = []
    starts = [_Starts() for _ in targets]
    for number in range(plan.processes):
        runs.append(process(plan, number))
        advance()
        if Scenario.START in plan.scenarios:
            for index in random.Random(number).sample(range(len(targets)), len(targets)):
                _start_once(targets[index], plan, starts[index])
                advance()
    # Where the machine was disturbed, up to as many processes again.
    while len(runs) < 2 * plan.processes and _undisturbed_processes(runs) < plan.processes:
        runs.append(process(plan, len(runs)))
    return runs, starts


@contextlib.contextmanager
def _plan_with_image(plan: Plan, digits: tuple[Bytes, Bytes] | None) -> Iterator[Plan]:
    """The plan with a picture file, which exists within the block."""
    if plan.image is not None:
        yield plan
        return
    with tempfile.TemporaryDirectory(prefix="mnist-edge-") as folder:
        image = Path(folder, "digit.png")
        Image.fromarray(example_images(digits)[0]).save(image)
        yield dataclasses.replace(plan, image=image)


def _start_once(target: BenchTarget, plan: Plan, starts: _Starts) -> None:
    feed = target.feed(np.zeros((target.batch or 1, 28, 28), dtype=np.uint8))
    name, threads, provider = target.name, target.threads, target.provider
    starts.processes.append(
        call_in_new_process(measure_start, name, threads, provider, feed, _IDLE_S)
    )
    if target.runs_in_classifier and plan.image is not None:
        starts.program_ms.append(time_program(name, threads, plan.image))


def _accuracies(
    targets: Sequence[BenchTarget], digits: tuple[Bytes, Bytes] | None
) -> list[float | None]:
    """The accuracy of each target; the number of threads changes no prediction."""
    known: dict[tuple[str, str], float | None] = {}
    for target in targets:
        if (key := (target.name, target.provider)) not in known:
            known[key] = target.accuracy(*digits) if digits and target.has_digit_classes else None
    return [known[target.name, target.provider] for target in targets]


def _target_report(
    target: BenchTarget, accuracy: float | None, starts: _Starts, millijoules: list[float | None]
) -> TargetReport:
    processes = starts.processes
    return TargetReport(
        name=target.name,
        threads=target.threads,
        provider=target.provider,
        sha256=hashlib.sha256(target.content).hexdigest(),
        size_bytes=len(target.content),
        scaling=target.scaling,
        layout=target.layout,
        batch=target.batch,
        accuracy=accuracy,
        load_ms=[start.load_ms for start in processes],
        first_ms=[start.first_ms for start in processes],
        cold_ms=starts.program_ms,
        peak_mib=_median([start.peak_mib for start in processes]),
        steady_mib=_median([start.steady_mib for start in processes]),
        idle_cpu_ms=_median([start.idle_cpu_ms for start in processes]),
        millijoules=_median(millijoules),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _settings(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it."""
    settings: dict[str, Any] = json.loads(json.dumps(json_fields(plan), default=str))
    return settings


def _run_warnings(plan: Plan, runs: Sequence[ProcessRun]) -> list[str]:
    """Warnings, from the measurements themselves, that figures may be unreliable."""
    warnings = []
    if plan.processes < _FEWEST_PROCESSES:
        warnings.append(
            f"with fewer than {_FEWEST_PROCESSES} processes, the intervals are narrower than they "
            "say"
        )
    if unsettled := {workload for run in runs for workload in run.unsettled}:
        warnings.append(
            f"{len(unsettled)} of {len(runs[0].times)} queries had not settled to 2 % after "
            "warming up; the machine is busy or changes its frequency"
        )
    reference = _reference_rounds(runs)
    disturbed = ~undisturbed_rounds(reference)
    if disturbed.mean() > _TOLERATED:
        where = (
            "all figures" if comparable_rounds(reference).all() else "all times, and in no ratio"
        )
        warnings.append(
            f"{np.count_nonzero(disturbed)} of {disturbed.size} rounds, in {len(runs)} processes, "
            f"were disturbed: something else had the core; they are in {where}"
        )
    return warnings


def _reference_rounds(runs: Sequence[ProcessRun]) -> Rounds:
    """Medians of the reference graph's rounds, ``[processes, rounds]``, nanoseconds."""
    return np.array(
        [[statistics.median(calls) for calls in run.references[REFERENCE]] for run in runs]
    )


def _undisturbed_processes(runs: Sequence[ProcessRun]) -> int:
    return int(np.count_nonzero(undisturbed_rounds(_reference_rounds(runs)).any(axis=1)))


def _notes(
    plan: Plan, sensors: Sensors, runs: Sequence[ProcessRun], digits: tuple[Bytes, Bytes] | None
) -> list[str]:
    """What could not be measured, or was measured longer than planned."""
    notes = []
    if len(runs) > plan.processes:
        notes.append(f"{len(runs)} processes instead of {plan.processes}, for some were disturbed")
    if missing := missing_sensors(sensors):
        notes.append(f"this machine does not report its {', '.join(missing)}")
    if not any(run.millijoules for run in runs):
        notes.append("no energy counter can be read; --watts takes what a meter shows")
    if digits is None:
        notes.append("MNIST's test images are not here, so accuracy is not measured; see --data")
    return notes
