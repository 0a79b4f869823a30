"""How far `mnist-edge bench` can be trusted: `python tests/benchmarks/instrument.py`.

Three whole runs at a time, in a random order: two of the same model, and one of the same model
slowed down on purpose. Then, over all of them:

- false alarms: how often the two that are the same were reported to differ;
- power: how often the slowed one was reported to be slower, against either of the two;
- coverage: how often a run's interval contains the median of all other runs together, for plain
  times, and for times over the reference graph's, which are what comparisons are made of.

All sessions are wrapped alike: after a call, the wrapper spins on the clock for a fraction of what
the call took, which is zero for the two. Runs are kept in a folder, and are not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mnist_edge.bench.cold_start import call_in_new_process
from mnist_edge.bench.compare import Outcome, compare
from mnist_edge.bench.process_run import ProcessRun, measure_loaded
from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.runner import measure
from mnist_edge.bench.scenarios import Plan, Scenario, example_images, load_test_digits
from mnist_edge.bench.stats import Rounds, median_interval, undisturbed_rounds
from mnist_edge.bench.targets import BenchTarget, TargetSpec
from mnist_edge.bench.timing import REFERENCE

SCENARIOS = (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE)
KINDS = ("first", "again", "slowed")


class SlowedSession:
    """A session whose calls take `factor` times as long."""

    def __init__(self, session: Any, factor: float) -> None:
        self._session, self._factor = session, factor

    def run(self, *arguments: Any) -> Any:
        """Runs the session, and spins on the clock."""
        now = time.perf_counter_ns
        start = now()
        result = self._session.run(*arguments)
        end = start + self._factor * (now() - start)
        while now() < end:
            pass
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def run_slowed_process(factor: float, plan: Plan, number: int) -> ProcessRun:
    """A worker process in which all targets are slowed down."""
    digits = load_test_digits(plan.data)
    targets = [BenchTarget.load(*spec, digits=digits) for spec in plan.targets]
    slowed: Any = [
        dataclasses.replace(target, session=SlowedSession(target.session, factor))
        for target in targets
    ]
    return measure_loaded(plan, slowed, example_images(digits), number)


def measured(path: Path, plan: Plan, factor: float) -> Report:
    """A run from its file, or measured and written there."""

    def process(plan: Plan, number: int) -> ProcessRun:
        return call_in_new_process(run_slowed_process, factor, plan, number)

    if not path.exists():
        measure(plan, process=process).write(path)
    return Report.read(path)


def print_outcomes(title: str, outcomes: list[list[Outcome]]) -> None:
    """Prints how often each outcome came, and in how many pairs of runs there was a change."""
    counts = Counter(outcome for pair in outcomes for outcome in pair)
    total = counts.total()
    shares = ", ".join(f"{outcome} {counts[outcome] / total:.1%}" for outcome in Outcome)
    changed = sum(any(outcome is not Outcome.SAME for outcome in pair) for pair in outcomes)
    print(f"{title}: {shares}  ({total} results; a change in {changed} of {len(outcomes)} pairs)")


def coverage(runs: list[Report], rounds_of: Callable[[Report, Measurement], Rounds]) -> float:
    """Fraction of intervals that contain the median of all other runs."""
    covered = []
    for number in range(len(runs[0].measurements)):
        rounds = [rounds_of(run, run.measurements[number]) for run in runs]
        for index, of_run in enumerate(rounds):
            truth = np.nanmedian(np.concatenate(rounds[:index] + rounds[index + 1 :]))
            interval = median_interval(of_run)
            covered.append(interval.low <= truth <= interval.high)
    return float(np.mean(covered))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each of the three kinds")
    parser.add_argument("--model", default="mnist-edge-int8")
    parser.add_argument("--slower", type=float, default=1.1, help="times as long, on purpose")
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--results", type=Path, help="folder to keep the runs in")
    return parser.parse_args()


def measure_all(options: argparse.Namespace, folder: Path) -> dict[str, list[Report]]:
    """The runs of each kind."""
    plan = Plan(
        (TargetSpec(options.model),),
        scenarios=SCENARIOS,
        batch_sizes=(32,),
        processes=options.processes,
        rounds=options.rounds,
    )
    factors = dict(zip(KINDS, (1.0, 1.0, options.slower), strict=True))
    runs: dict[str, list[Report]] = {kind: [] for kind in KINDS}
    for number in range(options.runs):
        for kind in random.Random(number).sample(KINDS, len(KINDS)):
            seeded = dataclasses.replace(plan, seed=3 * number + KINDS.index(kind))
            path = folder / f"{kind}-{number:03}.json"
            runs[kind].append(measured(path, seeded, factors[kind]))
        print(f"{number + 1} of {options.runs}", file=sys.stderr)
    return runs


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.results or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        runs = measure_all(options, folder)

    def outcomes(now: str, then: str) -> list[list[Outcome]]:
        return [
            [comparison.outcome for comparison in compare(*pair, options.margin)]
            for pair in zip(runs[now], runs[then], strict=True)
        ]

    print_outcomes("the same twice", outcomes("again", "first"))
    slowed = outcomes("slowed", "first") + outcomes("slowed", "again")
    print_outcomes(f"{options.slower:g} times as slow", slowed)
    raw = [
        comparison.raw
        for pair in zip(runs["again"], runs["first"], strict=True)
        for comparison in compare(*pair)
    ]
    print(f"the same twice, time over time: {min(raw):.3f}..{max(raw):.3f}")
    alike = runs["first"] + runs["again"]
    if len(alike) > 2:
        disturbed = [
            float(np.mean(~undisturbed_rounds(run.references[REFERENCE].rounds))) for run in alike
        ]
        print(f"rounds disturbed: {np.mean(disturbed):.1%}, in one run {max(disturbed):.1%}")
        times = coverage(alike, lambda _, measurement: measurement.rounds)
        print(f"intervals of plain times that contain the median of all other runs: {times:.1%}")
        relative = coverage(alike, Report.relative_to_reference)
        print(f"intervals of times over the reference graph's that do: {relative:.1%}")


if __name__ == "__main__":
    # Under its own name: what a new process is to call is looked up by it.
    import instrument

    instrument.main()
