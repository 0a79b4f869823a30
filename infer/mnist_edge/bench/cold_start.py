"""Cold starts: a model in a new process, the whole program, and how a new process is called."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import MnistEdgeError, ModelError
from mnist_edge.model import load_session

__all__ = ["StartTimes", "call_in_new_process", "measure_start", "serve", "time_program"]

P = ParamSpec("P")
R = TypeVar("R")

_CALLS = 100
"""Calls after which memory is taken to be steady."""


@dataclass(frozen=True)
class StartTimes:
    """What was measured in one new process.

    Attributes:
        load_ms: from the file's name to a session.
        first_ms: the first call.
        peak_mib: largest memory of the whole process, Python, numpy and onnxruntime included; None
            where the system does not report it.
        steady_mib: memory after a hundred more calls.
        idle_cpu_ms: processor time of all threads in an idle second after those calls.
    """

    load_ms: float
    first_ms: float
    peak_mib: float | None
    steady_mib: float | None
    idle_cpu_ms: float


def measure_start(
    name: str,
    threads: int,
    provider: str,
    feed: Mapping[str, npt.NDArray[np.generic]],
    idle_s: float,
) -> StartTimes:
    """Loads a model and runs it for the first time. To be called in a new process.

    Args:
        name: of the model, as for `mnist_edge.model.load_session`.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        feed: input of one call.
        idle_s: how long to stay idle, seconds.
    """
    began = time.perf_counter_ns()
    _, session = load_session(name, threads, provider)
    loaded = time.perf_counter_ns()
    session.run(None, feed)
    answered = time.perf_counter_ns()
    for _ in range(_CALLS):
        session.run(None, feed)
    before = time.process_time_ns()
    time.sleep(idle_s)
    burned = time.process_time_ns() - before
    memory = _memory()
    return StartTimes(
        load_ms=(loaded - began) / 1e6,
        first_ms=(answered - loaded) / 1e6,
        peak_mib=memory.get("VmHWM"),
        steady_mib=memory.get("VmRSS"),
        idle_cpu_ms=burned / 1e6 / idle_s,
    )


def _memory() -> dict[str, float]:
    """Memory of this process, MiB, by the kernel's names.

    Not from getrusage: its maximum survives exec, so it would count the parent's memory.
    """
    sizes = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                sizes[name] = int(value.split()[0]) / 1024
    return sizes


def time_program(name: str, threads: int, image: Path) -> float:
    """Milliseconds of a whole `mnist-edge predict`, from its start to its end.

    Args:
        name: of the model.
        threads: within one operator.
        image: the picture to predict.

    Raises:
        ModelError: the program failed.
    """
    command = [sys.executable, "-m", "mnist_edge", "predict", str(image), "--model", name]
    command += ["--threads", str(threads), "--min-confidence", "0"]
    began = time.perf_counter_ns()
    done = subprocess.run(command, capture_output=True, check=False)
    elapsed = time.perf_counter_ns() - began
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise ModelError(f"{name}: `mnist-edge predict` failed with it ({reason})")
    return elapsed / 1e6


def call_in_new_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls a function in a Python process that has just started and has done nothing else.

    Args:
        function: of a module that can be imported.
        args: its arguments; they are pickled.
        kwargs: its named arguments.

    Returns:
        the function's result.

    Raises:
        MnistEdgeError: the function raised it, or the process ended without a result.
    """
    # The new process finds every module where this one does.
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
        raise MnistEdgeError(f"{function.__name__}: failed in a new process ({reason})")
    result = pickle.loads(done.stdout)
    if isinstance(result, MnistEdgeError):
        raise result
    return result  # type: ignore[no-any-return]


def serve() -> None:
    """Runs in the new process: reads a function and its arguments on stdin, writes the result."""
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    try:
        result = function(*args, **kwargs)
    except MnistEdgeError as error:
        result = error
    sys.stdout.buffer.write(pickle.dumps(result))
