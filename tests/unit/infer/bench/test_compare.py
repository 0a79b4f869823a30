"""Comparisons of runs whose truth is known: how often they are false, how much they see."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from mnist_edge import UsageError
from mnist_edge.bench.compare import Outcome, classify, compare, libraries_changed
from mnist_edge.bench.report import Measurement, Report, TargetReport
from mnist_edge.bench.sensors import Sensors
from mnist_edge.bench.stats import Interval, Rounds
from mnist_edge.bench.timing import MINIMAL, REFERENCE

PROCESSES, ROUNDS = 5, 12
NO_SENSORS = Sensors({}, {}, {}, None, None, None, None)
TIMES = {("single-stream", 1): 26e3, ("multi-stream", 8): 130e3, ("offline", 32): 500e3}


def machine(source: np.random.Generator) -> Rounds:
    """What all share: a speed of the day, one of the process, a drift within it."""
    day = 0.10 * source.standard_normal()
    process = 0.03 * source.standard_normal((PROCESSES, 1))
    drift = np.cumsum(0.005 * source.standard_normal((PROCESSES, ROUNDS)), axis=1)
    return np.asarray(np.exp(day + process + drift))


def noisy(truth: float, shared: Rounds, source: np.random.Generator) -> Rounds:
    """A target's own luck with each process's memory, and rounds with heavy tails."""
    luck = 0.015 * source.standard_normal((PROCESSES, 1))
    rounds = 0.01 * source.standard_t(3, (PROCESSES, ROUNDS))
    return np.asarray(truth * shared * np.exp(luck + rounds))


def measurement(scenario: str, pictures: int, rounds: Rounds, target: int | None) -> Measurement:
    return Measurement(
        target, scenario, pictures, rounds, p90=3e4, p99=4e4, calls=100, outliers=3, settled=True
    )


def simulated_report(source: np.random.Generator, factor: float = 1, models: int = 2) -> Report:
    """A run in which every target takes `factor` times as long as it should."""
    shared = machine(source)
    names = [f"model-{number}" for number in range(models)]
    return Report(
        version="0",
        started="2026-01-01T00:00:00+00:00",
        settings={"rounds": ROUNDS},
        environment={"processor": "one", "onnxruntime": "1"},
        before=NO_SENSORS,
        after=dataclasses.replace(NO_SENSORS, stolen=(1, 2), mhz={"cpu0": 1500.0}),
        warnings=["a warning"],
        notes=[],
        clock_ns=50,
        reference_sha256="sum",
        watts=None,
        references={
            name: measurement(name, 1, noisy(truth, shared, source), None)
            for name, truth in ((MINIMAL, 4.5e3), (REFERENCE, 18e3))
        },
        targets=[
            TargetReport(
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
            measurement(scenario, pictures, noisy(factor * truth, shared, source), number)
            for number in range(models)
            for (scenario, pictures), truth in TIMES.items()
        ],
    )


def simulated_outcomes(factor: float, runs: int, seed: int) -> list[list[Outcome]]:
    """Outcomes of pairs of runs, the second of which takes `factor` times as long."""
    source = np.random.default_rng(seed)
    return [
        [
            comparison.outcome
            for comparison in compare(
                now=simulated_report(source, factor), baseline=simulated_report(source)
            )
        ]
        for _ in range(runs)
    ]


def test_same_models_are_no_different_in_nine_of_ten_runs() -> None:
    """All six results of a run are so, whatever the machine's day."""
    runs = simulated_outcomes(1, runs=60, seed=0)
    assert all(len(outcomes) == 6 for outcomes in runs)
    assert sum(set(outcomes) == {Outcome.SAME} for outcomes in runs) >= 54


def test_ten_per_cent_slower_is_recognized() -> None:
    outcomes = [result for run in simulated_outcomes(1.1, runs=60, seed=1) for result in run]
    assert outcomes.count(Outcome.SLOWER) >= 0.9 * len(outcomes)
    assert Outcome.FASTER not in outcomes


def test_ten_per_cent_faster_is_recognized() -> None:
    outcomes = [result for run in simulated_outcomes(1 / 1.1, runs=30, seed=2) for result in run]
    assert outcomes.count(Outcome.FASTER) >= 0.9 * len(outcomes)


def disturbed(report: Report, rounds: npt.NDArray[np.bool_]) -> Report:
    """The same with a neighbour on the core in some rounds, which not all suffer from alike."""
    reference = report.references[REFERENCE]
    slowed = dataclasses.replace(reference, rounds=reference.rounds * np.where(rounds, 1.5, 1))
    return dataclasses.replace(
        report,
        references=report.references | {REFERENCE: slowed},
        measurements=[
            dataclasses.replace(item, rounds=item.rounds * np.where(rounds, 1.8, 1))
            for item in report.measurements
        ],
    )


def test_disturbed_rounds_are_in_no_ratio() -> None:
    source = np.random.default_rng(0)
    now, baseline = simulated_report(source, models=2), simulated_report(source, models=2)
    rounds = np.zeros(now.measurements[0].rounds.shape, bool)
    rounds[:2] = True
    comparisons = compare(disturbed(now, rounds), baseline)
    assert {comparison.outcome for comparison in comparisons} == {Outcome.SAME}
    changes = [comparison.change.value for comparison in comparisons]
    assert changes == pytest.approx([1] * len(changes), abs=0.05)
    relative = disturbed(now, rounds).relative(1)
    assert relative is not None
    assert relative.low < 1 < relative.high


def test_all_rounds_are_compared_if_nearly_all_were_disturbed() -> None:
    source = np.random.default_rng(0)
    now, baseline = simulated_report(source), simulated_report(source)
    rounds = np.ones(now.measurements[0].rounds.shape, bool)
    rounds[:, ::5] = False
    (first, *_) = compare(disturbed(now, rounds), baseline)
    assert first.change.value == pytest.approx(1.2, abs=0.1)
    assert disturbed(now, rounds).comparable_rounds.all()


def test_without_the_reference_the_speed_of_the_day_would_count_as_a_change() -> None:
    source = np.random.default_rng(0)
    is_off = []
    for _ in range(40):
        now, baseline = simulated_report(source, models=1), simulated_report(source, models=1)
        is_off.append(abs(compare(now, baseline)[0].raw - 1) > 0.05)
    assert sum(is_off) > 10


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        (Interval(1.10, 1.06, 1.14), Outcome.SLOWER),
        (Interval(1.10, 0.99, 1.20), Outcome.SAME),  # it may be chance
        (Interval(1.04, 1.03, 1.05), Outcome.SAME),  # it is real, and too small to matter
        (Interval(0.90, 0.85, 0.95), Outcome.FASTER),
        (Interval(0.90, 0.85, 1.01), Outcome.SAME),
        (Interval(0.96, 0.95, 0.97), Outcome.SAME),
    ],
)
def test_change_must_be_large_and_certain(ratio: Interval, outcome: Outcome) -> None:
    assert classify(ratio, 0.05) is outcome


def test_margin_can_be_chosen() -> None:
    small = Interval(1.04, 1.03, 1.05)
    assert classify(small, 0.03) is Outcome.SLOWER
    assert classify(small, 0.05) is Outcome.SAME


def test_only_what_both_runs_measured_is_compared() -> None:
    source = np.random.default_rng(0)
    now, baseline = simulated_report(source, models=2), simulated_report(source, models=1)
    comparisons = compare(now, baseline)
    assert {comparison.name for comparison in comparisons} == {"model-0"}
    assert len(comparisons) == len(TIMES)
    assert not any(comparison.other_file for comparison in comparisons)


def test_changed_model_file_is_reported() -> None:
    source = np.random.default_rng(0)
    now, baseline = simulated_report(source, models=2), simulated_report(source, models=1)
    other = dataclasses.replace(now.targets[0], sha256="y")
    changed = dataclasses.replace(now, targets=[other, now.targets[1]])
    assert all(comparison.other_file for comparison in compare(changed, baseline))


def test_runs_that_cannot_be_compared_are_refused() -> None:
    now = simulated_report(np.random.default_rng(0))
    with pytest.raises(UsageError, match="another reference graph"):
        compare(now, dataclasses.replace(now, reference_sha256="another"))
    with pytest.raises(UsageError, match="none of these"):
        compare(now, dataclasses.replace(now, measurements=[]))


def test_changed_runtime_is_reported() -> None:
    now = simulated_report(np.random.default_rng(0))
    before = dataclasses.replace(now, environment={"processor": "one", "onnxruntime": "2"})
    (line,) = libraries_changed(now, before)
    assert line.startswith("onnxruntime: 2 in the baseline, 1 now")
    assert not libraries_changed(now, now)


def test_json_of_a_comparison_has_the_names_of_earlier_versions() -> None:
    report = simulated_report(np.random.default_rng(0))
    (first, *_) = compare(report, report)
    assert first.to_dict() == {
        "name": "model-0",
        "threads": 1,
        "provider": "CPUExecutionProvider",
        "scenario": "single-stream",
        "pictures": 1,
        "raw": 1.0,
        "change": {"value": 1.0, "low": first.change.low, "high": first.change.high},
        "verdict": "no difference",
        "other_file": False,
    }
