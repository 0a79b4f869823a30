"""The program from its start to its exit code.

A plain `mnist-edge predict` is read by `mnist_edge.cli.fast_parser`, everything else by Typer, in
`mnist_edge.cli.app`.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from mnist_edge.cli.console import (
    ExitCode,
    discard_stdout,
    exit_code_of,
    interruptible_imports,
    log_error,
)
from mnist_edge.cli.fast_parser import parse_predict
from mnist_edge.inputs import prefetch

if TYPE_CHECKING:
    from mnist_edge.batch.options import PredictOptions

__all__ = ["main"]


def main() -> None:
    """Runs the program. Whatever happens to its streams, it ends with one line and an exit code."""
    _prepare_stdout()
    if sys.argv[1:2] == ["predict"]:
        # Numpy would start threads for a kind of work that is not done here.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = exit_code_of(_fast_predict)
        if code is not None:
            _exit_at_once(code)
        with interruptible_imports():
            from mnist_edge.cli.app import app

        app(prog_name="mnist-edge")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except OSError as error:
        discard_stdout()
        log_error(f"{error.filename or 'output'}: cannot be written ({error.strerror or error})")
        sys.exit(ExitCode.SOME_FAILED)


def _fast_predict() -> int | None:
    """Runs a plain `predict`; None where it is something else."""
    options = parse_predict(sys.argv[1:])
    if options is None:
        return None
    if _reads_folders_only(options):
        prefetch.start(options.paths or (), recursive=options.recursive)
    with interruptible_imports():
        from mnist_edge.cli.predict import run

    return run(options)


def _reads_folders_only(options: PredictOptions) -> bool:
    """Whether there may be so many pictures that a second process pays."""
    others = (options.files_from, options.show, options.save_preprocessed)
    if options.workers == 1 or any(others) or not options.paths:
        return False
    return all(map(os.path.isdir, options.paths))


def _prepare_stdout() -> None:
    """File names are bytes: one that is no text goes out as it came in, in any locale."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _exit_at_once(code: int) -> NoReturn:
    """Skips the interpreter's clean-up: to take numpy and onnxruntime apart costs 6 % of a run."""
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)
