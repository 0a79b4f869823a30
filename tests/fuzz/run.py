"""Fuzzes the program: `python tests/fuzz/run.py pictures --cases 1000000 --workers 2`.

The cases of a campaign are numbered, and a number makes the same case again, on a machine with the
same versions of Pillow and NumPy: `--reproduce N` tries one alone, and `--start N` goes on with it.
A case has to end in a prediction or in a typed error, in 5 seconds and 400 MiB, with nothing on
stderr; anything else is a finding: its file is kept, a table is printed, the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Before onnxruntime is imported: a child that is forked would wait for its thread.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "infer"), str(_ROOT / "trainer")]

from tests.fuzz.campaigns import Arrays, Containers, Pictures  # noqa: E402
from tests.fuzz.engine import Campaign, Engine, Unit  # noqa: E402
from tests.fuzz.findings import Findings, Report  # noqa: E402
from tests.fuzz.models import Models  # noqa: E402
from tests.fuzz.partials import Partials  # noqa: E402
from tests.fuzz.roads import classifier, remember_pixels  # noqa: E402

CAMPAIGNS: dict[str, type[Pictures | Containers | Arrays | Models | Partials]] = {
    kind.name: kind for kind in (Pictures, Containers, Arrays, Models, Partials)
}


def fuzz(
    campaign: Campaign,
    findings: Findings,
    units: Iterator[Unit],
    workers: int,
    progress: bool,
) -> None:
    """Runs a campaign, and adds what comes of it to the findings."""
    started = last = time.monotonic()

    def on_report(unit: Unit, report: Report) -> None:
        nonlocal last
        findings.add(report)
        for problem in report.problems:
            assert problem.number is not None
            findings.add_problem(problem, campaign.case(problem.number))
        now = time.monotonic()
        if progress and now - last > 1:
            last = now
            found = sum(map(len, findings.numbers.values()))
            rate = findings.cases / (now - started)
            line = f"{campaign.name}: {findings.cases} cases, {rate:.0f}/s, {found} findings"
            print(f"\r{line}, at {unit.start} ", end="", file=sys.stderr, flush=True)

    Engine(campaign, workers).run(units, on_report)
    if progress:
        print(file=sys.stderr)


def units(start: int, cases: int, at_once: int, seconds: float | None) -> Iterator[Unit]:
    """The cases from `start` on, in units, until there are enough or the time is over."""
    end = time.monotonic() + seconds if seconds is not None else None
    # Where a unit begins decides which road its cases go.
    first, stop = start, start + cases
    while first < stop and (end is None or time.monotonic() < end):
        last = min(stop, (first // at_once + 1) * at_once)
        yield Unit(first, last)
        first = last


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", choices=[*CAMPAIGNS, "all"])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, help="end after so long (each campaign)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="another one makes other cases")
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--reproduce", type=int, metavar="N", help="try this case alone")
    parser.add_argument("--findings", type=Path, default=_ROOT / "runs" / "fuzz")
    options = parser.parse_args()
    names = [*CAMPAIGNS] if options.campaign == "all" else [options.campaign]
    found = False
    remember_pixels()
    classifier()
    for name in names:
        campaign = CAMPAIGNS[name](options.seed)
        findings = Findings(name, options.seed, options.findings)
        start, cases = options.start, options.cases
        if options.reproduce is not None:
            start, cases = options.reproduce, 1
        seconds = options.minutes * 60 if options.minutes is not None else None
        try:
            fuzz(
                campaign,
                findings,
                units(start, cases, campaign.at_once, seconds),
                options.workers,
                progress=True,
            )
        except KeyboardInterrupt:
            print()
        print(findings.table(), flush=True)
        found |= bool(findings.numbers)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
