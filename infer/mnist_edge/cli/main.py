"""The program from its start to its exit code.

A plain `mnist-edge predict` or `read` is parsed by `mnist_edge.cli.fast_parser`, everything else by
Typer, in `mnist_edge.cli.app`.
"""

from __future__ import annotations

import io
import os
import sys

from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.cli.console import discard_stdout, interruptible_imports, log_error
from mnist_edge.cli.exit_codes import ExitCode, exit_code_of
from mnist_edge.cli.fast_parser import parse_plain
from mnist_edge.inputs import prefetch
from mnist_edge.outputs import interrupts, stderr

__all__ = ["main"]


def main() -> None:
    """Runs the program. Whatever happens to its streams, it ends with one line and an exit code."""
    stderr.take_over()
    _prepare_stdout()
    if sys.argv[1:2] in (["predict"], ["read"]):
        # Numpy would start threads for a kind of work that is not done here.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Arrow's own allocator keeps 30 MiB more, and grows with the number of rows.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        code = exit_code_of(_run_plain)
        if code is not None:
            # Skips the interpreter's clean-up: taking numpy and onnxruntime apart is 6 % of a run.
            if sys.stderr is not None:
                sys.stderr.flush()
            os._exit(code)
        with interruptible_imports():
            from mnist_edge.cli.app import app

        app(prog_name="mnist-edge")
    except KeyboardInterrupt:
        sys.exit(interrupts.exit_code() or ExitCode.INTERRUPTED)
    except ModuleNotFoundError as error:
        # Installed with --no-deps: a plain `predict` does without them.
        if error.name not in ("rich", "typer"):
            raise
        log_error("this command needs typer and rich; install them: pip install typer rich")
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        discard_stdout()
        log_error(f"{error.filename or 'output'}: cannot be written ({error.strerror or error})")
        sys.exit(ExitCode.SOME_FAILED)


def _run_plain() -> int | None:
    """Runs a plain `predict` or `read`; None where it is something else."""
    options = parse_plain(sys.argv[1:])
    if options is None:
        return None
    if not isinstance(options, PredictOptions):
        with interruptible_imports():
            from mnist_edge.cli import read

        return read.run(options)
    if options.paths and options.workers != 1 and not (options.files_from or options.has_previews):
        prefetch.start(options.paths, recursive=options.recursive)
    with interruptible_imports():
        from mnist_edge.cli.predict import run

    return run(options)


def _prepare_stdout() -> None:
    """Lets stdout print file names byte for byte, in any locale, even if they are not text."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    elif isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.FileIO):
            # PYTHONUNBUFFERED: what a signal keeps from being written at once would be lost.
            buffer = io.BufferedWriter(sys.stdout.detach())
            sys.stdout = io.TextIOWrapper(buffer, line_buffering=True)
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
