"""Comparison of a run with a baseline, which was measured at another time.

A machine is faster on one day than on another, and by more than the intervals of either run say. So
not the times are compared, but the times over those of the reference graph, which had its turn in
every round of both runs: round by round, a target's median is divided by the graph's, and disturbed
rounds are left out (see `stats.undisturbed_rounds`).

A result other than "no difference" needs both a change that is larger than the margin, and an
interval around it that does not contain 1. The interval's level rises with the number of results
(Bonferroni), so that the chance of any false alarm in a run is what one interval's would be.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.stats import Interval, median_ratio, ratio_interval
from mnist_edge.errors import UsageError

__all__ = ["MARGIN", "Comparison", "Outcome", "classify", "compare", "libraries_changed"]

MARGIN = 0.05
"""Smallest change that counts, as a fraction."""

_LEVEL = 0.95


class Outcome(StrEnum):
    """The result of one comparison; the value is its name in tables and in the JSON."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "no difference"


@dataclass(frozen=True)
class Comparison:
    """One measurement beside the baseline's.

    Attributes:
        name: of the model.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        scenario: what the query is for.
        pictures: number of pictures in the query.
        raw: time now over time then.
        change: the same, after both were divided by the reference graph's; above 1 is slower.
        outcome: faster, slower or neither, by `change`.
        other_file: the model's file is not the one of the baseline.
    """

    name: str
    threads: int
    provider: str
    scenario: str
    pictures: int
    raw: float
    change: Interval
    outcome: Outcome
    other_file: bool

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        fields = dataclasses.asdict(self)
        return {"verdict" if name == "outcome" else name: fields[name] for name in fields}


def compare(now: Report, baseline: Report, margin: float = MARGIN) -> list[Comparison]:
    """Compares what was measured in both runs, matched by model, threads, provider and query.

    Args:
        now: the new run.
        baseline: the earlier one.
        margin: smallest change that counts, as a fraction.

    Raises:
        UsageError: the runs have nothing in common, or had different reference graphs.
    """
    if now.reference_sha256 != baseline.reference_sha256:
        raise UsageError(
            "--baseline: has another reference graph, of another version; measure it again"
        )
    pairs = _common(now, baseline)
    if not pairs:
        raise UsageError(
            "--baseline: has none of these models with these threads and queries; measure the "
            "same in both runs"
        )
    level = 1 - (1 - _LEVEL) / len(pairs)
    return [_compared(now, baseline, pair, level, margin) for pair in pairs]


def _common(now: Report, baseline: Report) -> list[tuple[Measurement, Measurement]]:
    """Measurements of both runs, in pairs: the new one, the earlier one."""
    earlier = {_key(baseline, measurement): measurement for measurement in baseline.measurements}
    return [
        (measurement, earlier[_key(now, measurement)])
        for measurement in now.measurements
        if _key(now, measurement) in earlier
    ]


def _key(report: Report, measurement: Measurement) -> tuple[object, ...]:
    # With fewer scenarios, the same number of pictures may have been measured for another one.
    is_end_to_end = measurement.scenario == Scenario.END_TO_END
    return (*report.targets[measurement.target or 0].key, is_end_to_end, measurement.pictures)


def _compared(
    now: Report,
    baseline: Report,
    pair: tuple[Measurement, Measurement],
    level: float,
    margin: float,
) -> Comparison:
    after, before = pair
    target = now.targets[after.target or 0]
    change = ratio_interval(
        now.relative_to_reference(after), baseline.relative_to_reference(before), level
    )
    return Comparison(
        *target.key,
        scenario=after.scenario,
        pictures=after.pictures,
        raw=median_ratio(after.rounds, before.rounds),
        change=change,
        outcome=classify(change, margin),
        other_file=target.sha256 != baseline.targets[before.target or 0].sha256,
    )


def classify(change: Interval, margin: float = MARGIN) -> Outcome:
    """Whether a ratio of two times means slower, faster or neither.

    Args:
        change: time now over time then, and its interval.
        margin: fraction that the ratio, or its inverse, must exceed.
    """
    if change.value > 1 + margin and change.low > 1:
        return Outcome.SLOWER
    if change.value < 1 / (1 + margin) and change.high < 1:
        return Outcome.FASTER
    return Outcome.SAME


def libraries_changed(now: Report, baseline: Report) -> list[str]:
    """Warnings about another processor or onnxruntime: the reference graph's time changes too."""
    return [
        f"{name}: {baseline.environment.get(name, 'unknown')} in the baseline, "
        f"{now.environment.get(name, 'unknown')} now; what that changed in the reference graph as "
        "well does not show in `change`, only in `raw`"
        for name in ("processor", "onnxruntime")
        if now.environment.get(name) != baseline.environment.get(name)
    ]
