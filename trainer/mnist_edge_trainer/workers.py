"""Processes that share the work on many pictures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

__all__ = ["workers"]


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """One process for every core; on the way out, what was not begun is dropped.

    They are spawned: torch's threads, which may be running, do not survive a fork.
    """
    pool = ProcessPoolExecutor(
        mp_context=get_context("spawn"), initializer=_leave_interrupts_to_the_parent
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
