"""How far `mnist-edge bench` is to be trusted: `python tests/benchmarks/instrument.py`.

Three whole runs at a time, in an order that is drawn: two of the same model, and one of the same
model slowed down on purpose. Then, over all of them:

- how often the two that are the same were told to differ (false alarms);
- how often the slowed one was told to be slower, against either of the two (power);
- how often a run's interval holds the median of all other runs together (coverage), for times as
  they are, and for times over the calibration graph's, which are what verdicts are made of.

All sessions are wrapped alike: after a call, the wrapper spins on the clock for a fraction of what
the call took, which is zero for the two. Runs are kept in a folder; what is in it is not run again.
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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnist_edge.bench.compare import Verdict, compare
from mnist_edge.bench.process_run import Sitting, sit
from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.runner import measure
from mnist_edge.bench.scenarios import Plan, Scenario, example_images, load_test_digits
from mnist_edge.bench.stats import Rounds, interval, quiet
from mnist_edge.bench.subprocess_run import in_fresh_process
from mnist_edge.bench.targets import Subject

SCENARIOS = (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE)
KINDS = ("first", "again", "slowed")


class Paced:
    """A session whose calls take `factor` times as long."""

    def __init__(self, session: Any, factor: float) -> None:
        self._session, self._factor = session, factor

    def run(self, *arguments: Any) -> Any:
        now = time.perf_counter_ns
        start = now()
        result = self._session.run(*arguments)
        end = start + self._factor * (now() - start)
        while now() < end:
            pass
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def sit_paced(factor: float, plan: Plan, number: int) -> Sitting:
    """A sitting with all subjects slowed down."""
    digits = load_test_digits(plan.data)
    loaded = [Subject.load(*spec, digits=digits) for spec in plan.subjects]
    paced: Any = [
        dataclasses.replace(subject, session=Paced(subject.session, factor)) for subject in loaded
    ]
    return sit(plan, paced, example_images(digits), number)


def the_run(path: Path, plan: Plan, factor: float) -> Report:
    """From its file, or measured and written there."""
    if not path.exists():
        sitting = partial(in_fresh_process, sit_paced, factor)
        measure(plan, sitting=sitting).write(path)
    return Report.read(path)


def tell(title: str, verdicts: list[list[Verdict]]) -> None:
    """How often each verdict came, and in how many pairs of runs there was any but "the same"."""
    counts = Counter(verdict for own in verdicts for verdict in own)
    total = counts.total()
    shares = ", ".join(f"{verdict} {counts[verdict] / total:.1%}" for verdict in Verdict)
    alarmed = sum(any(verdict is not Verdict.SAME for verdict in own) for own in verdicts)
    print(f"{title}: {shares}  ({total} verdicts; any in {alarmed} of {len(verdicts)} pairs)")


def coverage(runs: list[Report], rounds_of: Callable[[Report, Measurement], Rounds]) -> float:
    """Fraction of intervals that hold the median of all other runs."""
    held = []
    for number in range(len(runs[0].measurements)):
        rounds = [rounds_of(own, own.measurements[number]) for own in runs]
        for index, ours in enumerate(rounds):
            truth = np.nanmedian(np.concatenate(rounds[:index] + rounds[index + 1 :]))
            own = interval(ours)
            held.append(own.low <= truth <= own.high)
    return float(np.mean(held))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each of the three kinds")
    parser.add_argument("--model", default="mnist-edge-int8")
    parser.add_argument("--slower", type=float, default=1.1, help="times as long, on purpose")
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--sittings", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--results", type=Path, help="folder to keep the runs in")
    options = parser.parse_args()
    plan = Plan(
        ((options.model, 1, "CPUExecutionProvider"),),
        scenarios=SCENARIOS,
        batch_sizes=(32,),
        sittings=options.sittings,
        rounds=options.rounds,
    )
    factors = dict(zip(KINDS, (1.0, 1.0, options.slower), strict=True))
    runs: dict[str, list[Report]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.results or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(options.runs):
            for kind in random.Random(number).sample(KINDS, len(KINDS)):
                seeded = dataclasses.replace(plan, seed=3 * number + KINDS.index(kind))
                path = folder / f"{kind}-{number:03}.json"
                runs[kind].append(the_run(path, seeded, factors[kind]))
            print(f"{number + 1} of {options.runs}", file=sys.stderr)

    def verdicts(now: str, then: str) -> list[list[Verdict]]:
        return [
            [own.verdict for own in compare(*pair, options.margin)]
            for pair in zip(runs[now], runs[then], strict=True)
        ]

    tell("the same twice", verdicts("again", "first"))
    slowed = verdicts("slowed", "first") + verdicts("slowed", "again")
    tell(f"{options.slower:g} times as slow", slowed)
    raw = [
        own.raw for pair in zip(runs["again"], runs["first"], strict=True) for own in compare(*pair)
    ]
    print(f"the same twice, time over time: {min(raw):.3f}..{max(raw):.3f}")
    alike = runs["first"] + runs["again"]
    if len(alike) > 2:
        disturbed = [float(np.mean(~quiet(own.references["calibration"].rounds))) for own in alike]
        print(f"rounds disturbed: {np.mean(disturbed):.1%}, in one run {max(disturbed):.1%}")
        times = coverage(alike, lambda _, own: own.rounds)
        print(f"intervals of times hold the median of all other runs: {times:.1%}")
        print(
            f"intervals of what verdicts are made of do: {coverage(alike, Report.calibrated):.1%}"
        )


if __name__ == "__main__":
    # Under its own name: what a fresh process is to call is looked up by it.
    import instrument

    instrument.main()
