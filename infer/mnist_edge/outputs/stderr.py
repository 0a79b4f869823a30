"""Keeps stderr for the program's own lines.

libtiff, libjpeg and onnxruntime write to descriptor 2 whatever they find odd in a file, without its
name. So `sys.stderr` gets a descriptor of its own, and descriptor 2 leads nowhere.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["lent_to_children", "take_over"]

_STDERR = 2

_ours: int | None = None
"""The descriptor that leads to the real stderr, once descriptor 2 does not."""


class _Stderr(io.FileIO):
    """A stderr whose reader may go away: lines that nobody takes do not end the program."""

    def write(self, line: Any) -> int:
        try:
            while (written := super().write(line)) is None:  # not ready yet
                import select

                select.select([], [self], [])
            return written
        except OSError:
            return len(line)


def take_over() -> None:
    """Sends what native libraries print on stderr nowhere; `sys.stderr` works as before.

    A crash in native code (a signal that ends the process) prints where Python was, on the real
    stderr. Of the standard streams, those that the caller has closed are occupied: a file that is
    opened later must not become the one that a library prints on.
    """
    global _ours
    if _ours is not None:  # a forked process shares its parent's
        return
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(nowhere, True)
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    elif sys.platform != "win32" and _is_stderr(sys.stderr):
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        _ours = os.dup(_STDERR)
        os.dup2(nowhere, _STDERR)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Stderr(_ours, "w")), encoding, errors, line_buffering=True
        )
        faulthandler.enable(sys.stderr)
    os.close(nowhere)


@contextlib.contextmanager
def lent_to_children() -> Iterator[None]:
    """Gives the real stderr to processes that are started, not forked, in the block.

    They take it over themselves; a traceback of one of them would be lost otherwise.
    """
    if _ours is None:
        yield
        return
    nowhere = os.dup(_STDERR)
    os.dup2(_ours, _STDERR)
    try:
        yield
    finally:
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)


def _is_stderr(stream: object) -> bool:
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == _STDERR
    except (OSError, ValueError):
        return False
