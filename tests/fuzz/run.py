"""Fuzzes the program: `python tests/fuzz/run.py pictures --cases 1000000 --workers 2`.

The cases of a campaign are numbered, and a number makes the same case again, on a machine with the
same versions of Pillow and NumPy: `--reproduce N` tries one alone, `--start N` goes on with it.
A case has to end in a prediction or in a typed error, within 5 seconds and 400 MiB, without a word
on stdout or Python's stderr, without another program, and without a file outside its folder.
Anything else is a finding: its file is kept, it is counted in the table at the end, and the exit
code is 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Before onnxruntime is imported: a child that is forked would wait for its thread.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "infer"), str(_ROOT / "trainer")]

from tests.fuzz.arrays import Arrays  # noqa: E402
from tests.fuzz.bombs import Bombs  # noqa: E402
from tests.fuzz.campaigns import Containers, Pictures  # noqa: E402
from tests.fuzz.engine import Campaign, Engine, Unit  # noqa: E402
from tests.fuzz.findings import Findings, Report  # noqa: E402
from tests.fuzz.models import Models  # noqa: E402
from tests.fuzz.partials import Partials  # noqa: E402
from tests.fuzz.roads import classifier, remember_pixels  # noqa: E402

_Kind = type[Pictures | Containers | Arrays | Models | Partials | Bombs]
_CAMPAIGNS: dict[str, _Kind] = {
    kind.name: kind for kind in (Pictures, Containers, Arrays, Models, Partials, Bombs)
}


def main() -> int:
    """Reads the command line, and runs the campaigns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="+", choices=[*_CAMPAIGNS, "all"])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, help="end after so long (each campaign)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="another one makes other cases")
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--reproduce", type=int, metavar="N", help="try this case alone")
    parser.add_argument("--findings", type=Path, default=_ROOT / "runs" / "fuzz")
    options = parser.parse_args()
    if options.reproduce is not None:
        options.start, options.cases = options.reproduce, 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the table is printed all the same
    remember_pixels()
    classifier()
    names = [*_CAMPAIGNS] if "all" in options.campaigns else options.campaigns
    found = [_fuzz(_CAMPAIGNS[name](options.seed), options) for name in names]
    return int(any(found))


def _fuzz(campaign: Campaign, options: argparse.Namespace) -> bool:
    """Runs a campaign, and prints what comes of it; whether there are findings."""
    findings = Findings(campaign.name, options.seed, options.findings)
    units = _Units(campaign.at_once, options)
    started = last = time.monotonic()

    def on_report(report: Report) -> None:
        nonlocal last
        findings.add(report)
        for problem in report.problems:
            assert problem.number is not None
            findings.add_problem(problem, campaign.case(problem.number))
            if options.reproduce is not None:
                print(problem.detail)
        if time.monotonic() - last > 1:
            last = time.monotonic()
            rate = findings.cases / (last - started)
            line = (
                f"{campaign.name}: {findings.cases} cases, {rate:.0f}/s, {findings.count} findings"
            )
            print(f"\r{line} ", end="", file=sys.stderr, flush=True)

    engine = Engine(campaign, options.workers)
    try:
        engine.run(units, on_report)
    except KeyboardInterrupt:
        units.next = min(engine.unfinished, default=units.next)
    print(file=sys.stderr)
    print(f"{findings.table()}\nthe next would be --start {units.next}", flush=True)
    return findings.count > 0


class _Units(Iterator[Unit]):
    """The cases that are wanted, in units, until there are enough or the time is over."""

    def __init__(self, at_once: int, options: argparse.Namespace) -> None:
        self.next = options.start
        self._stop = options.start + options.cases
        self._at_once = at_once
        minutes = options.minutes
        self._end = None if minutes is None else time.monotonic() + minutes * 60

    def __next__(self) -> Unit:
        if self.next >= self._stop or (self._end is not None and time.monotonic() > self._end):
            raise StopIteration
        # Where a unit begins decides which road its cases go.
        unit = Unit(self.next, min(self._stop, (self.next // self._at_once + 1) * self._at_once))
        self.next = unit.stop
        return unit


if __name__ == "__main__":
    sys.exit(main())
