"""Processes that a test started: their children, and whether they have ended. Linux alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

__all__ = ["children", "has_loaded", "needs_proc", "wait_for_end", "wait_until"]

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_DEADLINE = 60.0
"""Seconds after which a condition that does not hold is a failure."""


def children(parent: int) -> list[int]:
    """Ids of the processes that `parent` started and that have not ended."""
    stats = {int(path.name): _stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    return [pid for pid, (state, ppid) in stats.items() if ppid == parent and state not in "ZX"]


def has_loaded(pid: int, library: str) -> bool:
    """Whether a process has loaded a shared library with `library` in its name."""
    try:
        return library in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition; fails where it does not hold in time."""
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def wait_for_end(pids: Iterable[int]) -> None:
    """Waits until processes have ended; one that nobody has collected yet has ended too."""
    for pid in pids:
        wait_until(lambda pid=pid: _stat(pid)[0] in "ZX", f"process {pid} ends")  # type: ignore[misc]


def _stat(pid: int) -> tuple[str, int]:
    """State and parent of a process; X where it is no longer there."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "X", 0
    # The name, in parentheses, may hold anything.
    state, ppid, *_ = content.rpartition(")")[2].split()
    return state, int(ppid)
