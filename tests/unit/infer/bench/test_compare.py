"""Verdicts on runs whose truth is known: how often they are false, how much they see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import UsageError
from mnist_edge.bench.compare import Verdict, compare, judge, libraries_changed
from mnist_edge.bench.machine import Sensors
from mnist_edge.bench.report import Measurement, Report, SubjectReport
from mnist_edge.bench.stats import Interval

SITTINGS, ROUNDS = 5, 12
NOTHING = Sensors({}, {}, {}, None, None, None, None)
TIMES = {("single-stream", 1): 26e3, ("multi-stream", 8): 130e3, ("offline", 32): 500e3}


def machine(source: np.random.Generator) -> np.ndarray:
    """What all share: a speed of the day, one of the sitting, a drift within it, interruptions."""
    day = 0.10 * source.standard_normal()
    sitting = 0.03 * source.standard_normal((SITTINGS, 1))
    drift = np.cumsum(0.005 * source.standard_normal((SITTINGS, ROUNDS)), axis=1)
    return np.asarray(np.exp(day + sitting + drift))


def noisy(truth: float, shared: np.ndarray, source: np.random.Generator) -> np.ndarray:
    """Its own luck with each process's memory, and rounds with heavy tails."""
    luck = 0.015 * source.standard_normal((SITTINGS, 1))
    rounds = 0.01 * source.standard_t(3, (SITTINGS, ROUNDS))
    return np.asarray(truth * shared * np.exp(luck + rounds))


def measured(scenario: str, pictures: int, rounds: np.ndarray, subject: int | None) -> Measurement:
    return Measurement(
        subject, scenario, pictures, rounds, p90=3e4, p99=4e4, calls=100, outliers=3, settled=True
    )


def a_report(source: np.random.Generator, factor: float = 1, models: int = 2) -> Report:
    """A run in which everything takes `factor` times as long as it should."""
    shared = machine(source)
    names = [f"model-{number}" for number in range(models)]
    return Report(
        version="0",
        started="2026-01-01T00:00:00+00:00",
        settings={"rounds": ROUNDS},
        environment={"processor": "one", "onnxruntime": "1"},
        before=NOTHING,
        after=dataclasses.replace(NOTHING, stolen=(1, 2), mhz={"cpu0": 1500.0}),
        warnings=["a warning"],
        notes=[],
        clock_ns=50,
        calibration="sum",
        watts=None,
        references={
            name: measured(name, 1, noisy(truth, shared, source), None)
            for name, truth in (("minimal", 4.5e3), ("calibration", 18e3))
        },
        subjects=[
            SubjectReport(
                name=name,
                threads=1,
                provider="CPUExecutionProvider",
                sha256="x",
                size_bytes=1,
                scaling="uint8 0..255",
                layout="NCHW",
                batch=None,
                accuracy=0.99,
                load_ms=[1.0],
                first_ms=[1.0],
                cold_ms=[],
                peak_mib=None,
                steady_mib=None,
                idle_cpu_ms=None,
                millijoules=None,
            )
            for name in names
        ],
        measurements=[
            measured(scenario, pictures, noisy(factor * truth, shared, source), number)
            for number in range(models)
            for (scenario, pictures), truth in TIMES.items()
        ],
    )


def verdicts(factor: float, runs: int, seed: int) -> list[list[Verdict]]:
    """Of pairs of runs, the second of which is `factor` times as slow in all."""
    source = np.random.default_rng(seed)
    return [
        [own.verdict for own in compare(now=a_report(source, factor), then=a_report(source))]
        for _ in range(runs)
    ]


def test_the_same_is_told_to_be_no_different() -> None:
    """In nine of ten runs at least, all six verdicts are so, whatever the machine's day."""
    told = verdicts(1, runs=60, seed=0)
    assert all(len(own) == 6 for own in told)
    assert sum(set(own) == {Verdict.SAME} for own in told) >= 54


def test_ten_per_cent_are_seen() -> None:
    told = [own for run in verdicts(1.1, runs=60, seed=1) for own in run]
    assert told.count(Verdict.SLOWER) >= 0.9 * len(told)
    assert Verdict.FASTER not in told


def test_ten_per_cent_less_are_seen_too() -> None:
    told = [own for run in verdicts(1 / 1.1, runs=30, seed=2) for own in run]
    assert told.count(Verdict.FASTER) >= 0.9 * len(told)


def disturbed(report: Report, rounds: np.ndarray) -> Report:
    """The same with a neighbour on the core in some rounds, which not all suffer from alike."""
    calibration = report.references["calibration"]
    return dataclasses.replace(
        report,
        references=report.references
        | {
            "calibration": dataclasses.replace(
                calibration, rounds=calibration.rounds * np.where(rounds, 1.5, 1)
            )
        },
        measurements=[
            dataclasses.replace(own, rounds=own.rounds * np.where(rounds, 1.8, 1))
            for own in report.measurements
        ],
    )


def test_disturbed_rounds_are_in_no_ratio() -> None:
    source = np.random.default_rng(0)
    now, then = a_report(source, models=2), a_report(source, models=2)
    rounds = np.zeros(now.measurements[0].rounds.shape, bool)
    rounds[:2] = True
    told = compare(disturbed(now, rounds), then)
    assert {own.verdict for own in told} == {Verdict.SAME}
    assert [own.change.value for own in told] == pytest.approx([1] * len(told), abs=0.05)
    relative = disturbed(now, rounds).relative(1)
    assert relative is not None
    assert relative.low < 1 < relative.high


def test_where_hardly_anything_was_quiet_all_rounds_are_compared() -> None:
    source = np.random.default_rng(0)
    now, then = a_report(source), a_report(source)
    rounds = np.ones(now.measurements[0].rounds.shape, bool)
    rounds[:, ::5] = False
    assert compare(disturbed(now, rounds), then)[0].change.value == pytest.approx(1.2, abs=0.1)
    assert disturbed(now, rounds).comparable.all()


def test_without_the_calibration_the_machines_day_would_be_taken_for_a_change() -> None:
    source = np.random.default_rng(0)
    off = [abs(compare(a_report(source), a_report(source))[0].raw - 1) > 0.05 for _ in range(40)]
    assert sum(off) > 10


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Interval(1.10, 1.06, 1.14), Verdict.SLOWER),
        (Interval(1.10, 0.99, 1.20), Verdict.SAME),  # it may be nothing
        (Interval(1.04, 1.03, 1.05), Verdict.SAME),  # it is real, and too small to matter
        (Interval(0.90, 0.85, 0.95), Verdict.FASTER),
        (Interval(0.90, 0.85, 1.01), Verdict.SAME),
        (Interval(0.96, 0.95, 0.97), Verdict.SAME),
    ],
)
def test_a_verdict_needs_size_and_certainty(ratio: Interval, verdict: Verdict) -> None:
    assert judge(ratio, 0.05) is verdict


def test_the_margin_can_be_chosen() -> None:
    small = Interval(1.04, 1.03, 1.05)
    assert judge(small, 0.03) is Verdict.SLOWER
    assert judge(small, 0.05) is Verdict.SAME


def test_what_is_in_both_runs_is_compared() -> None:
    source = np.random.default_rng(0)
    now, then = a_report(source, models=2), a_report(source, models=1)
    compared = compare(now, then)
    assert {own.name for own in compared} == {"model-0"}
    assert len(compared) == len(TIMES)
    other = dataclasses.replace(now.subjects[0], sha256="y")
    changed = dataclasses.replace(now, subjects=[other, now.subjects[1]])
    assert all(own.other_file for own in compare(changed, then))


def test_runs_that_cannot_be_compared_are_refused() -> None:
    source = np.random.default_rng(0)
    now = a_report(source)
    with pytest.raises(UsageError, match="another graph"):
        compare(now, dataclasses.replace(now, calibration="another"))
    with pytest.raises(UsageError, match="none of these"):
        compare(now, dataclasses.replace(now, measurements=[]))


def test_another_runtime_is_told() -> None:
    now = a_report(np.random.default_rng(0))
    then = dataclasses.replace(now, environment={"processor": "one", "onnxruntime": "2"})
    (line,) = libraries_changed(now, then)
    assert line.startswith("onnxruntime: 2 in the baseline, 1 now")
    assert not libraries_changed(now, now)


def test_a_report_survives_its_json(tmp_path: Path) -> None:
    report = a_report(np.random.default_rng(0))
    report.write(tmp_path / "run.json")
    again = Report.read(tmp_path / "run.json")
    assert again.to_dict() == report.to_dict()
    assert again.after == report.after
    np.testing.assert_array_equal(again.measurements[2].rounds, report.measurements[2].rounds)
    same = compare(again, report)
    assert {own.change.value for own in same} == {1.0}


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"format": 2}', '{"format": 1, "before": {}}', "\x00"]
)
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"run\.json: is nothing that"):
        Report.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        Report.read(tmp_path / "missing.json")
