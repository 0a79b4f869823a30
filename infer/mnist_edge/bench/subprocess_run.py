"""Calls a function in a Python that has just started, and has done nothing else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mnist_edge.errors import MnistEdgeError

__all__ = ["in_fresh_process", "serve"]

P = ParamSpec("P")
R = TypeVar("R")


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function`, of a module that can be imported, returns over there.

    Raises:
        MnistEdgeError: it raised one, or the process ended without an answer.
    """
    # Over there, everything is to be found where it is found here.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((function, args, kwargs)),
        capture_output=True,
        check=False,
        # Numpy's other threads would spin for 25 ms after its import, as they do not in `predict`.
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise MnistEdgeError(f"{function.__name__}: failed in a process of its own ({reason})")
    answer = pickle.loads(done.stdout)
    if isinstance(answer, MnistEdgeError):
        raise answer
    return answer  # type: ignore[no-any-return]


def serve() -> None:
    """The other end: reads a function and its arguments on stdin, writes what comes of it."""
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    try:
        answer = function(*args, **kwargs)
    except MnistEdgeError as error:
        answer = error
    sys.stdout.buffer.write(pickle.dumps(answer))
