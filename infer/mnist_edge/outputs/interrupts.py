"""Ctrl-C and SIGTERM end the program between two rows, not within one.

A handler that raises wherever the program happens to be would tear the row that is being written.
So the signal is kept until the row is out. A reader that takes nothing more cannot keep the program
for ever: a second signal, or some seconds, end it at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

__all__ = ["Interrupted", "end_between_rows", "exit_code", "whole_rows"]

_PATIENCE, _GRACE = 1.0, 4.0
"""Seconds after a signal: a second one within them is the same keystroke; the program has ended."""


class Interrupted(KeyboardInterrupt):
    """A signal that ends the program."""


class _State:
    """Which signal came, when, and how many blocks it has to wait for."""

    number: int | None = None
    since = 0.0
    blocks = 0


def end_between_rows() -> None:
    """Lets SIGINT and SIGTERM end the program by `Interrupted`, after the row being written.

    One that the caller ignores, as a shell does for its background jobs, stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _receive)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _end_now)


def exit_code() -> int | None:
    """Exit code of a program that a signal ends: 130 for SIGINT, 143 for SIGTERM; None without."""
    return None if _State.number is None else 128 + _State.number


@contextlib.contextmanager
def whole_rows() -> Iterator[None]:
    """Defers the end of the program to the end of the block, which writes whole rows.

    Raises:
        Interrupted: a signal came.
    """
    _State.blocks += 1
    try:
        yield
    finally:
        _State.blocks -= 1
    if _State.number is not None and not _State.blocks:
        raise Interrupted


def _receive(number: int, _: object) -> None:
    if _State.number is not None:
        if time.monotonic() - _State.since > _PATIENCE:
            _end_now()
        return
    _State.number, _State.since = number, time.monotonic()
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, _GRACE)
    if not _State.blocks:
        raise Interrupted


def _end_now(*_: object) -> None:
    """Ends the program wherever it is: nobody takes what it still has to write."""
    os._exit(exit_code() or 1)
