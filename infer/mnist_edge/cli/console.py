"""What every command needs of the terminal: lines on stderr, a closed stdout, Ctrl-C.

Light: it is imported before anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from mnist_edge.errors import one_line

__all__ = [
    "discard_stdout",
    "interruptible_imports",
    "log",
    "log_error",
]


@contextlib.contextmanager
def interruptible_imports() -> Iterator[None]:
    """Lets Ctrl-C end the process at once while packages are imported.

    Interrupted halfway, some of them fail in ways of their own, and at length.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def log(message: str) -> None:
    """Prints one line to stderr, where there is one that takes it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(one_line(message), file=sys.stderr)


def log_error(message: str) -> None:
    """Prints one line to stderr, under the name of the program."""
    log(f"mnist-edge: {message}")


def discard_stdout() -> None:
    """Discards what is left for stdout, so that the flush at exit does not print a second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
