"""Watches a process for what no input may make it do."""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
import tempfile
from pathlib import Path

__all__ = ["Guard"]

_FORBIDDEN = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile"),
    *("socket.connect", "socket.getaddrinfo", "socket.sendto", "pickle.find_class", "webbrowser"),
}
"""Audit events of programs that are started, of the network, and of pickles."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_ADDRESS_SPACE = 3 << 30
"""Bytes that a process may ask for: a bomb ends as an error here, not as a full machine."""


def _is_worker_pool(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether a worker's result is unpickled: on a slow machine, a case starts workers."""
    return event == "pickle.find_class" and arguments == (
        "mnist_edge.batch.batching",
        "BatchResult",
    )


class Guard:
    """Set up once in a child process, which it changes for good: limits, streams, an audit hook.

    Args:
        work: the one folder in which files may be written.
    """

    def __init__(self, work: Path) -> None:
        self._work = str(work)
        self._events: list[str] = []
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.RLIM_INFINITY))
        sys.dont_write_bytecode = True
        faulthandler.disable()  # a process that dies is reported by its parent
        tempfile.tempdir = self._work
        # What native libraries print on descriptor 2 goes nowhere in the program either.
        self._noise = os.open(work / "noise", os.O_CREAT | os.O_RDWR | os.O_APPEND)
        os.dup2(self._noise, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for name in ("stdout", "stderr"):
            setattr(sys, name, os.fdopen(self._noise, "w", closefd=False))
        # So that only this file stands between a PostScript file and a program.
        program = work / "bin" / "gs"
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & _WRITING
            if not writes or not isinstance(path, str | bytes):
                return
            name = os.path.abspath(os.fsdecode(path))
            if not name.startswith((self._work, "/dev/null", "/proc/self/")):
                self._events.append(f"writes {name}")
        elif event in _FORBIDDEN and not _is_worker_pool(event, arguments):
            self._events.append(f"{event} {arguments!r:.200}")

    def forbidden(self) -> list[str]:
        """What was done since the last call that may not be done."""
        events = self._events.copy()
        self._events.clear()
        return events

    def noise(self) -> str:
        """What was written on stdout or Python's stderr since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        size = os.fstat(self._noise).st_size
        if size == 0:
            return ""
        text = os.pread(self._noise, min(size, 2000), 0)
        os.ftruncate(self._noise, 0)
        return text.decode(errors="replace")

    @staticmethod
    def peak() -> int:
        """Bytes of memory that this process has had at most."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
