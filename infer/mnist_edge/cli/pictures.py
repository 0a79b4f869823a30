"""Commands over pictures, `predict` and `read`: options -> runner -> exit code."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mnist_edge.cli.console import log, log_error
from mnist_edge.cli.exit_codes import ExitCode
from mnist_edge.errors import UsageError
from mnist_edge.inputs.sources import STDIN
from mnist_edge.outputs.formats import parse_format
from mnist_edge.outputs.interrupts import end_between_rows
from mnist_edge.outputs.summary import Summary, skipped_line

if TYPE_CHECKING:
    from mnist_edge.batch.predict_options import PredictOptions
    from mnist_edge.batch.read_options import ReadOptions

__all__ = ["run_pictures"]

Options = TypeVar("Options", "PredictOptions", "ReadOptions")


def run_pictures(
    options: Options, work: Callable[[Options, Callable[[str], None]], Summary], example: str
) -> int:
    """Works on the pictures that the options name.

    Args:
        options: of the command.
        work: the command itself; called with the options and with what prints a line.
        example: of a command line, where no picture is named.

    Returns:
        the exit code.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    if not options.paths and options.files_from is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError(f"no image given; try `{example}`")
        options = dataclasses.replace(options, paths=[STDIN])
    end_between_rows()
    try:
        summary = work(options, log_error)
    except KeyboardInterrupt:
        if options.output is not None and parse_format(options.format).is_resumable:
            log_error("interrupted; continue with the same command and --resume")
        raise
    if options.summary:
        for line in summary.lines():
            log(line)
    elif summary.skipped:
        log_error(skipped_line(summary.skipped))
    return ExitCode.SOME_FAILED if summary.errors or summary.unsorted else 0
