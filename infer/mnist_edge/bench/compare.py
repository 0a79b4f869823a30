"""Is it slower than it was? Two runs, apart in time, and a verdict for each thing measured.

A machine is faster on one day than on another, and by more than the intervals of either run say.
So what is compared are not the times but the times over those of the calibration graph, which had
its turn in every round of both runs: round by round, a subject's median is divided by the graph's,
and rounds in which something else had the core are left out (see `intervals.quiet`).

A verdict then needs both: a change that is larger than the margin, and an interval around it that
does not hold 1. The interval's level is raised with the number of verdicts (Bonferroni), so that
the chance of any false alarm in a run is what one interval's would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.stats import Interval, change
from mnist_edge.errors import UsageError

__all__ = ["MARGIN", "Comparison", "Verdict", "compare", "judge", "libraries_changed"]

MARGIN = 0.05
"""Smallest change that is worth a verdict, as a fraction."""
_LEVEL = 0.95


class Verdict(StrEnum):
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
        scenario: what was asked.
        pictures: of one query.
        raw: time now over time then.
        change: the same, after both were divided by the calibration graph's; above 1 is slower.
        verdict: by that.
        other_file: the model's file is another one than then.
    """

    name: str
    threads: int
    provider: str
    scenario: str
    pictures: int
    raw: float
    change: Interval
    verdict: Verdict
    other_file: bool


def compare(now: Report, then: Report, margin: float = MARGIN) -> list[Comparison]:
    """All that was measured in both runs, matched by model, threads, provider and query.

    Raises:
        UsageError: the runs have nothing in common, or were calibrated by different graphs.
    """
    if now.calibration != then.calibration:
        raise UsageError(
            "--baseline: was calibrated by another graph, of another version; measure it again"
        )
    pairs = _common(now, then)
    if not pairs:
        raise UsageError(
            "--baseline: has none of these models with these threads and queries; measure the "
            "same in both runs"
        )
    level = 1 - (1 - _LEVEL) / len(pairs)
    return [_compared(now, then, ours, theirs, level, margin) for ours, theirs in pairs]


def _common(now: Report, then: Report) -> list[tuple[Measurement, Measurement]]:
    known = {_key(then, theirs): theirs for theirs in then.measurements}
    return [(ours, known[_key(now, ours)]) for ours in now.measurements if _key(now, ours) in known]


def _key(report: Report, found: Measurement) -> tuple[object, ...]:
    # A number of pictures may stand under another scenario in a run that was asked for less.
    end_to_end = found.scenario == "end-to-end"
    return (*report.subjects[found.subject or 0].key, end_to_end, found.pictures)


def _compared(
    now: Report,
    then: Report,
    ours: Measurement,
    theirs: Measurement,
    level: float,
    margin: float,
) -> Comparison:
    subject = now.subjects[ours.subject or 0]
    changed = change(now.calibrated(ours), then.calibrated(theirs), level)
    return Comparison(
        *subject.key,
        scenario=ours.scenario,
        pictures=ours.pictures,
        raw=change(ours.rounds, theirs.rounds).value,
        change=changed,
        verdict=judge(changed, margin),
        other_file=subject.sha256 != then.subjects[theirs.subject or 0].sha256,
    )


def judge(changed: Interval, margin: float = MARGIN) -> Verdict:
    """The verdict on time now over time then.

    Args:
        changed: the ratio and its interval.
        margin: fraction that the ratio, or its inverse, must pass.
    """
    if changed.value > 1 + margin and changed.low > 1:
        return Verdict.SLOWER
    if changed.value < 1 / (1 + margin) and changed.high < 1:
        return Verdict.FASTER
    return Verdict.SAME


def libraries_changed(now: Report, then: Report) -> list[str]:
    """What is another one than in the baseline, and shows in the calibration too, a line each."""
    return [
        f"{name}: {then.environment.get(name, 'unknown')} in the baseline, "
        f"{now.environment.get(name, 'unknown')} now; what that changed in the calibration as "
        "well does not show in `change`, only in `raw`"
        for name in ("processor", "onnxruntime")
        if now.environment.get(name) != then.environment.get(name)
    ]
