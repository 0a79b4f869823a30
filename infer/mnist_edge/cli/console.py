"""What every command needs of the terminal: exit codes, the line on stderr, Ctrl-C.

Light: it is imported before anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TypeVar

from mnist_edge.errors import MnistEdgeError, ModelError, UsageError, one_line

__all__ = [
    "ExitCode",
    "discard_stdout",
    "exit_code_of",
    "interruptible_imports",
    "log",
    "log_error",
]


T = TypeVar("T")


class ExitCode(IntEnum):
    """How the program ends; 0 where all went well."""

    SOME_FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


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


def exit_code_of(work: Callable[[], T]) -> T | int:
    """Does some work; whatever ends it becomes one line on stderr and an exit code."""
    try:
        code = work()
        sys.stdout.flush()
        return code
    except MnistEdgeError as error:
        log_error(str(error))
        is_usage = isinstance(error, UsageError | ModelError)
        return ExitCode.USAGE if is_usage else ExitCode.SOME_FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader, `head` say, has all that it wanted.
        discard_stdout()
        return 0


def log(message: str) -> None:
    """Prints one line to stderr."""
    if sys.stderr is not None:
        print(one_line(message), file=sys.stderr)


def log_error(message: str) -> None:
    """Prints one line to stderr, under the name of the program."""
    log(f"mnist-edge: {message}")


def discard_stdout() -> None:
    """So that the interpreter's own flush at exit does not fail a second time, in public."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
