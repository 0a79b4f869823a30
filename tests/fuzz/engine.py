"""Runs the cases of a campaign in child processes, and finds the one that kills, hangs or swells.

A child is forked from this process, which has imported everything, and is kept for many cases: a
unit of them at a time. Where a unit as a whole goes wrong, it is halved until one case is left.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from tests.fuzz.findings import Problem, Report, place
from tests.fuzz.guards import Guard
from tests.fuzz.seeds import Case

__all__ = ["Campaign", "Engine", "Limits", "Unit"]


_PATIENCE = 12
"""Times the limit that a process may wait without working, for a busy core or for nothing."""


class Campaign(Protocol):
    """A kind of input, and where it is sent.

    Attributes:
        name: on the command line.
        at_once: cases of a unit.
    """

    name: str
    at_once: int

    def case(self, number: int) -> Case:
        """Makes a case again from its number."""

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        """Tries the cases; what it raises is a problem of one of them.

        Args:
            cases: those of a unit, or of a part of one.
            work: an empty folder.
            guard: of this process.
            report: to add outcomes and problems to.
        """


@dataclass(frozen=True)
class Limits:
    """What a case may take.

    Attributes:
        seconds: of time.
        memory: bytes, of the whole process.
    """

    seconds: float = 5
    memory: int = 400 << 20


@dataclass(frozen=True)
class Unit:
    """Cases `start` to `stop - 1`; `fresh` = in a new child, which has no memory of others."""

    start: int
    stop: int
    fresh: bool = False

    def halves(self) -> list[Unit]:
        """The first half, and the second."""
        middle = (self.start + self.stop) // 2
        return [Unit(self.start, middle), Unit(middle, self.stop)]


@dataclass
class _Child:
    """A process, the connection to it, and what it works on since when."""

    process: BaseProcess
    connection: Connection
    unit: Unit | None = None
    since: float = 0
    is_used: bool = False


class Engine:
    """Shares the units of a campaign among child processes.

    Args:
        campaign: to run.
        workers: number of processes.
        limits: of a case.
    """

    def __init__(self, campaign: Campaign, workers: int = 1, limits: Limits | None = None) -> None:
        self._campaign, self._limits = campaign, limits or Limits()
        self._context = multiprocessing.get_context("fork")
        self._work = Path(tempfile.mkdtemp(prefix="mnist-edge-fuzz-", dir=_memory_disk()))
        self._children: list[_Child] = []
        self._again: deque[Unit] = deque()
        self._workers = workers
        self._started = 0

    def run(self, units: Iterator[Unit], on_report: Callable[[Report], None]) -> None:
        """Runs all units; a report comes for each, or for its parts, in no certain order."""
        gc.collect()
        gc.freeze()
        try:
            for _ in range(self._workers):
                self._children.append(self._start())
            while True:
                for index, child in enumerate(self._children):
                    if child.unit is None:
                        unit = self._again.popleft() if self._again else next(units, None)
                        if unit is not None:
                            self._send(index, unit)
                if all(child.unit is None for child in self._children):
                    return
                for child in self._finished():
                    self._receive(child, on_report)
        finally:
            for child in self._children:
                child.process.kill()
                child.process.join()
            shutil.rmtree(self._work, ignore_errors=True)
            gc.unfreeze()

    @property
    def unfinished(self) -> list[int]:
        """Numbers of the first cases of units that were begun and not finished."""
        working = [child.unit for child in self._children if child.unit is not None]
        return [unit.start for unit in (*working, *self._again)]

    def _start(self) -> _Child:
        ours, theirs = self._context.Pipe()
        self._started += 1
        work = self._work / str(self._started)
        # A child with a copy of this end would not notice that this process ended.
        inherited = [ours, *(child.connection for child in self._children)]
        process = self._context.Process(
            target=_serve, args=(theirs, inherited, self._campaign, work, self._limits.memory)
        )
        process.start()
        theirs.close()
        return _Child(process, ours)

    def _restart(self, index: int) -> None:
        old = self._children[index]
        old.process.kill()
        old.process.join()
        old.connection.close()
        self._children[index] = self._start()

    def _send(self, index: int, unit: Unit) -> None:
        if not self._children[index].process.is_alive() or (
            unit.fresh and self._children[index].is_used
        ):
            self._restart(index)
        child = self._children[index]
        child.unit, child.since, child.is_used = unit, time.monotonic(), True
        child.connection.send(unit)

    def _finished(self) -> list[_Child]:
        """Waits for children that have answered, ended, or taken too long."""
        busy = {child.connection: child for child in self._children if child.unit is not None}
        first = min(child.since for child in busy.values()) + self._limits.seconds
        ready = wait(list(busy), max(0.0, first - time.monotonic()) + 0.05)
        if ready:
            return [busy[connection] for connection in ready if isinstance(connection, Connection)]
        return [child for child in busy.values() if self._is_late(child)]

    def _is_late(self, child: _Child) -> bool:
        """Whether a unit has had its time; alone in a new process, in a process's own time.

        Where many programs share the cores, a second of work may take ten.
        """
        waited = time.monotonic() - child.since
        if waited <= self._limits.seconds or child.unit is None or not child.unit.fresh:
            return waited > self._limits.seconds
        return (
            waited > _PATIENCE * self._limits.seconds
            or _worked(child.process.pid) > self._limits.seconds
        )

    def _receive(self, child: _Child, on_report: Callable[[Report], None]) -> None:
        unit, child.unit = child.unit, None
        assert unit is not None
        if child.connection.poll():
            try:
                report = child.connection.recv()
            except (EOFError, OSError):
                child.process.join()
                report = _death(child.process.exitcode or 0)
            else:
                if report.peak > self._limits.memory:
                    child.process.join()  # it ends by itself
        else:
            report = Report(problems=[Problem("hang", f"no answer in {self._limits.seconds} s")])
            child.process.kill()
            child.process.join()
        assert isinstance(report, Report)
        if all(problem.number is not None for problem in report.problems):
            on_report(report)
        elif unit.stop - unit.start > 1:
            self._again.extendleft(reversed(unit.halves()))
        elif not unit.fresh:
            # Alone, and in a new process: what others left behind is no finding.
            self._again.appendleft(replace(unit, fresh=True))
        else:
            problems = [replace(problem, number=unit.start) for problem in report.problems]
            outcomes = report.outcomes or Counter({"failed": 1})
            on_report(replace(report, problems=problems, outcomes=outcomes))


def _memory_disk() -> str | None:
    """A folder in memory, where there is one: millions of files are written."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _worked(process: int | None) -> float:
    """Seconds of a core's time that a process has had; 0 where that cannot be known."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _death(code: int) -> Report:
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Report(problems=[Problem(f"died: {cause}", f"the process ended by {cause}")])


def _serve(
    connection: Connection,
    inherited: Sequence[Connection],
    campaign: Campaign,
    work: Path,
    memory: int,
) -> None:
    """Runs units in a child, until the parent closes the pipe or the memory is used up."""
    for other in inherited:
        other.close()
    # A signal to the whole group reaches every process; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work.mkdir()
    guard = Guard(work)
    peak = 0
    while peak <= memory:
        try:
            unit = connection.recv()
        except (EOFError, OSError):
            return
        report = _run(campaign, unit, work, guard)
        peak = report.peak = guard.peak()
        if peak > memory:
            report.problem("memory", f"{peak >> 20} MiB, and {memory >> 20} MiB are allowed")
        connection.send(report)


def _run(campaign: Campaign, unit: Unit, work: Path, guard: Guard) -> Report:
    report = Report()
    folder = work / "unit"
    folder.mkdir()
    cases = [campaign.case(number) for number in range(unit.start, unit.stop)]
    guard.forbidden()  # receiving a unit is pickle's work
    try:
        campaign.run(cases, folder, guard, report)
    except BaseException as error:  # whatever it is, it is what is looked for
        report.problem(place(error), "".join(traceback.format_exception(error)))
    for event in guard.forbidden():
        report.problem(f"forbidden: {event.split()[0]}", event)
    shutil.rmtree(folder, ignore_errors=True)
    return report
