"""Exit codes: 0 all predicted, 1 some failed, 2 wrong usage, 130 or 143 interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from mnist_edge.cli.console import discard_stdout, log_error
from mnist_edge.errors import MnistEdgeError, ModelError, UsageError
from mnist_edge.outputs import interrupts

__all__ = ["ExitCode", "exit_code_of"]

T = TypeVar("T")


class ExitCode(IntEnum):
    """How the program ends; 0 where all went well."""

    SOME_FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


def exit_code_of(work: Callable[[], T]) -> T | int:
    """Calls `work`; an error that ends it becomes one line on stderr and an exit code."""
    try:
        code = work()
        sys.stdout.flush()
        return code
    except MnistEdgeError as error:
        log_error(str(error))
        is_usage = isinstance(error, UsageError | ModelError)
        return ExitCode.USAGE if is_usage else ExitCode.SOME_FAILED
    except KeyboardInterrupt:
        return interrupts.exit_code() or ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader, `head` say, has all that it wanted; or Ctrl-C has ended it too.
        discard_stdout()
        return interrupts.exit_code() or 0
