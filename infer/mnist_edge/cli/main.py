"""The program from its start to its exit code.

A picture is answered in a tenth of a second, of which a parser of every command's options would
take a third. A plain `mnist-edge predict` is therefore read here, against a table of its options;
everything else, and every mistake, is left to `mnist_edge.cli.app`. A test holds the two together.
"""

from __future__ import annotations

import gc
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mnist_edge.cli.console import ExitCode, complain, discard_stdout, exit_code_of, importing
from mnist_edge.inputs.prefetch import read_ahead

__all__ = ["main", "parse_predict"]

_SWITCHES: dict[str, tuple[str, bool]] = {
    "--resume": ("resume", True),
    "--recursive": ("recursive", True),
    "--no-recursive": ("recursive", False),
    "--null": ("null", True),
    "-0": ("null", True),
    "--summary": ("summary", True),
    "--link": ("link", True),
    "--show": ("show", True),
}
_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "--model": ("model", str),
    "--format": ("format", str),
    "--output": ("output", str),
    "--files-from": ("files_from", str),
    "--top-k": ("top_k", int),
    "--min-confidence": ("min_confidence", float),
    "--sort-into": ("sort_into", str),
    "--workers": ("workers", int),
    "--threads": ("threads", int),
    "--save-preprocessed": ("save_preprocessed", str),
}
# Of `top_k`, the model says the most.
_RANGES = {
    "top_k": (1, math.inf),
    "min_confidence": (0, 1),
    "workers": (1, 256),
    "threads": (1, 256),
}


def main() -> None:
    """Runs the program. Whatever becomes of its streams, it ends with one line and a code."""
    _prepare_stdout()
    if sys.argv[1:2] == ["predict"]:
        # Numpy would start threads for a kind of work that is not done here.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        options = parse_predict(sys.argv[1:])
        if options is not None:
            ahead = read_ahead(options)
            # What is imported stays: to look for garbage in it again and again takes a tenth of it.
            gc.disable()
            with importing():
                from mnist_edge.cli.predict import run
            gc.freeze()
            gc.enable()
            _end(exit_code_of(lambda: run(**options, ahead=ahead)))
        with importing():
            from mnist_edge.cli.app import app

        app(prog_name="mnist-edge")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except OSError as error:
        discard_stdout()
        complain(f"{error.filename or 'output'}: cannot be written ({error.strerror or error})")
        sys.exit(ExitCode.SOME_FAILED)


def parse_predict(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The options of a plain `predict`; None where it is anything else, or not in order."""
    if not arguments or arguments[0] != "predict":
        return None
    options: dict[str, Any] = {}
    paths: list[str] = []
    waiting = iter(arguments[1:])
    for argument in waiting:
        if not argument.startswith("-") or argument == "-":
            paths.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if argument in _SWITCHES:
            option, switched = _SWITCHES[argument]
            options[option] = switched
        elif name in _VALUES:
            value = value if equals else next(waiting, "-")
            option, kind = _VALUES[name]
            try:
                options[option] = kind(value)
            except ValueError:
                return None
            if value.startswith("-") and (option, value) != ("files_from", "-"):
                return None
        else:
            return None
    if not all(low <= options.get(name, low) <= high for name, (low, high) in _RANGES.items()):
        return None
    return {"paths": paths or None, **options}


def _prepare_stdout() -> None:
    """File names are bytes: one that is no text goes out as it came in, in any locale."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _end(code: int) -> NoReturn:
    """At once: there is nothing left to clean up, and taking numpy and onnxruntime apart takes as
    long as a hundred answers."""
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)
