"""A progress bar on a terminal, for a long run over pictures."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]

_EVERY = 0.1
"""Seconds between two drawings."""


@contextlib.contextmanager
def progress_bar(
    total: int | None, verb: str = "predict", missing: str = "prediction"
) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr: pictures, how many a second, the time left, the errors so far.

    Args:
        total: pictures to come; None = not known.
        verb: what is done with them.
        missing: what those with an error lack.

    Yields:
        what to call with the pictures that are done since, and all errors so far.
    """
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )
    except ModuleNotFoundError:  # installed with --no-deps
        yield lambda *_: None
        return

    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[errors]}"),
    )
    console = Console(file=sys.stderr)
    # Without a thread of its own: other processes are forked from this one.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        bar = progress.add_task(verb, total=total, rate="", errors="")
        due = 0.0

        def advance(pictures: int, errors: int) -> None:
            nonlocal due
            task = progress.tasks[0]
            rate = f"{task.speed:,.0f} a second" if task.speed else ""
            failed = f"[red]{errors:,} without a {missing}" if errors else ""
            progress.update(bar, advance=pictures, rate=rate, errors=failed)
            if (now := time.monotonic()) >= due:
                progress.refresh()
                due = now + _EVERY

        yield advance
