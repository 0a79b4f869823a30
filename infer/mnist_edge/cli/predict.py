"""The command `mnist-edge predict`: options -> runner -> exit code."""

from __future__ import annotations

import dataclasses
import sys

from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.batch.runner import predict
from mnist_edge.cli.console import log, log_error
from mnist_edge.cli.exit_codes import ExitCode
from mnist_edge.errors import UsageError
from mnist_edge.inputs.sources import STDIN
from mnist_edge.outputs.formats import parse_format
from mnist_edge.outputs.interrupts import end_between_rows
from mnist_edge.outputs.summary import skipped_line

__all__ = ["run"]


def run(options: PredictOptions) -> int:
    """Predicts what the options name.

    Returns:
        the exit code.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    if not options.paths and options.files_from is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no image given; try `mnist-edge predict photo.jpg`")
        options = dataclasses.replace(options, paths=[STDIN])
    end_between_rows()
    try:
        summary = predict(options, log_error)
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
