"""A whole run: what is measured, warned about and noted. No time is asserted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.bench.process_run import ProcessRun, run_process
from mnist_edge.bench.report import Report
from mnist_edge.bench.runner import measure, steps
from mnist_edge.bench.scenarios import Plan, Scenario
from mnist_edge.bench.tables import tables
from mnist_edge.bench.targets import TargetSpec
from mnist_edge.bench.timing import REFERENCE_FILES
from mnist_edge.classifier import DigitClassifier
from mnist_edge.mnist import load_split
from mnist_edge.model import bundled_models
from tests.conftest import SAMPLES
from tests.foreign_models import brightness

INT8, FP32 = TargetSpec("mnist-edge-int8"), TargetSpec("mnist-edge-fp32")
WITHOUT_STARTS = tuple(scenario for scenario in Scenario if scenario is not Scenario.START)


@pytest.fixture(scope="module")
def report() -> Report:
    """A short run of two models in this process."""
    plan = Plan(
        (INT8, FP32),
        scenarios=WITHOUT_STARTS,
        processes=2,
        rounds=2,
        slot_ms=0.1,
        data=SAMPLES,
        batch_sizes=(1, 4),
    )
    return measure(plan, process=run_process)


def short_run(*targets: TargetSpec, watts: float | None = None, **changes: Any) -> Report:
    """A run of single pictures, two rounds, in this process."""
    plan = Plan(targets, scenarios=(Scenario.SINGLE_STREAM,), processes=1, rounds=2, slot_ms=0.1)
    return measure(dataclasses.replace(plan, **changes), watts=watts, process=run_process)


def test_every_query_is_measured(report: Report) -> None:
    queries = [("single-stream", 1), ("multi-stream", 8), ("offline", 4), ("end-to-end", 1)]
    measured = [(item.target, (item.scenario, item.pictures)) for item in report.measurements]
    assert sorted(measured) == sorted((index, query) for index in (0, 1) for query in queries)
    for measurement in report.measurements:
        processes, rounds = measurement.rounds.shape
        assert 2 <= processes <= 4  # more than planned, where the machine was disturbed
        assert rounds == 2
        assert measurement.calls >= 3 * measurement.rounds.size
        assert 0 < measurement.time.low <= measurement.time.value <= measurement.time.high
        assert measurement.p90 <= measurement.p99
        assert measurement.rate.value == pytest.approx(
            measurement.pictures * 1e6 / measurement.time.value
        )
    assert set(report.references) == set(REFERENCE_FILES)
    assert report.relative(0) is not None


def test_targets_are_described(report: Report) -> None:
    for target in report.targets:
        content = Path(bundled_models()[target.name]).read_bytes()
        assert target.size_bytes == len(content)
        assert len(target.sha256) == 64
        assert target.accuracy is not None
        assert target.accuracy > 0.995
        assert target.load_ms == target.first_ms == target.cold_ms == []


def test_settings_have_the_names_of_earlier_versions(report: Report) -> None:
    assert report.settings == {
        "subjects": [[spec.name, 1, "CPUExecutionProvider"] for spec in (INT8, FP32)],
        "scenarios": [*WITHOUT_STARTS],
        "streams": 8,
        "batch_sizes": [1, 4],
        "sittings": 2,
        "rounds": 2,
        "slot_ms": 0.1,
        "seed": 0,
        "data": str(SAMPLES),
        "image": None,
    }


def test_starts_are_measured_in_new_processes() -> None:
    scenarios = (Scenario.OFFLINE, Scenario.START)
    (target,) = short_run(INT8, scenarios=scenarios, batch_sizes=(1,), processes=2).targets
    assert len(target.load_ms) == len(target.first_ms) == len(target.cold_ms) == 2
    assert target.idle_cpu_ms is not None
    if Path("/proc/self/status").exists():
        assert target.steady_mib is not None
        assert target.peak_mib is not None
        assert 10 < target.steady_mib <= target.peak_mib < 1000


def test_progress_counts_processes_and_starts() -> None:
    assert steps(Plan((INT8, FP32), processes=3)) == 9
    assert steps(Plan((INT8, FP32), processes=3, scenarios=(Scenario.OFFLINE,))) == 3


def test_accuracy_is_that_of_models_of_digits(tmp_path: Path) -> None:
    for name, labels in (("digits", "0123456789"), ("clothes", "abcdefghij")):
        (tmp_path / name).write_bytes(brightness(labels))
    images, labels_of_images = load_split(SAMPLES, "test")
    specs = [TargetSpec(str(tmp_path / name)) for name in ("digits", "clothes")]
    targets = short_run(*specs, data=SAMPLES).targets
    digits = DigitClassifier(tmp_path / "digits").model.run(images).argmax(axis=1)
    assert [target.accuracy for target in targets] == [(digits == labels_of_images).mean(), None]


def test_missing_dataset_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = short_run(INT8)
    assert report.targets[0].accuracy is None
    assert any("accuracy is not measured" in note for note in report.notes)


def test_few_processes_are_a_warning() -> None:
    assert any("fewer than 5 processes" in warning for warning in short_run(INT8).warnings)


def test_unsettled_warm_up_is_a_warning() -> None:
    def unsettled(plan: Plan, number: int) -> ProcessRun:
        run = run_process(plan, number)
        return dataclasses.replace(run, unsettled=list(run.times))

    plan = Plan((INT8,), scenarios=(Scenario.SINGLE_STREAM,), processes=1, rounds=2, slot_ms=0.1)
    report = measure(plan, process=unsettled)
    assert any("1 of 1 queries had not settled" in warning for warning in report.warnings)
    assert not report.measurements[0].settled


def test_disturbed_processes_are_repeated() -> None:
    """The second process has a disturbed reference: one more follows."""
    numbers: list[int] = []

    def disturbed(plan: Plan, number: int) -> ProcessRun:
        numbers.append(number)
        run = run_process(plan, number)
        nanoseconds = 20_000 if number == 1 else 10_000
        constant = {name: [[nanoseconds] * 3] * 2 for name in run.references}
        return dataclasses.replace(run, references=constant)

    plan = Plan((INT8,), scenarios=(Scenario.SINGLE_STREAM,), processes=2, rounds=2, slot_ms=0.1)
    report = measure(plan, process=disturbed)
    assert numbers == [0, 1, 2]
    assert "3 processes instead of 2, for some were disturbed" in report.notes
    assert any("2 of 6 rounds, in 3 processes, were disturbed" in line for line in report.warnings)


def test_energy_by_a_meter_is_power_times_time() -> None:
    report = short_run(INT8, watts=4.0)
    (table,) = tables(report)
    millijoules = float(table.rows[0][table.headers.index("mJ")])
    assert millijoules == pytest.approx(4 * report.measurements[0].time.value / 1e3, abs=0.001)
