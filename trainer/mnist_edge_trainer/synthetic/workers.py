"""Processes that share the work on many pictures."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

__all__ = ["workers"]

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """One process for every core; on the way out, what was not begun is dropped.

    They are spawned: torch's threads, which may be running, do not survive a fork. Interrupts are
    left to the parent.
    """
    pool = _Undisturbed(mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class _Undisturbed(ProcessPoolExecutor):
    """Starts its processes without an interrupt in between, which would leave a traceback."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if sys.platform == "win32":  # where signals cannot be blocked
            return super().submit(fn, *args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
