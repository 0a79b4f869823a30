"""How a model starts: loading, the first answer, memory, what it burns when idle, the program."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ModelError
from mnist_edge.model import load_session

__all__ = ["Start", "cold_start", "start"]

_CALLS = 100
"""After which memory is taken to be steady."""


@dataclass(frozen=True)
class Start:
    """What a fresh process saw.

    Attributes:
        load_ms: from the file's name to a session.
        first_ms: the first call.
        peak_mib: the most memory of the whole process, Python, numpy and onnxruntime included; None
            where the system does not tell.
        steady_mib: the same, after a hundred calls more.
        idle_cpu_ms: processor time of all threads in a second in which nothing is asked, after
            those.
    """

    load_ms: float
    first_ms: float
    peak_mib: float | None
    steady_mib: float | None
    idle_cpu_ms: float


def start(
    name: str,
    threads: int,
    provider: str,
    feed: Mapping[str, npt.NDArray[np.generic]],
    idle_s: float,
) -> Start:
    """Measures a start. To be called in a fresh process.

    Args:
        name: of the model, as for `mnist_edge.model.load_session`.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        feed: for one call.
        idle_s: seconds to do nothing in.
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
    return Start(
        load_ms=(loaded - began) / 1e6,
        first_ms=(answered - loaded) / 1e6,
        peak_mib=memory.get("VmHWM"),
        steady_mib=memory.get("VmRSS"),
        idle_cpu_ms=burned / 1e6 / idle_s,
    )


def _memory() -> dict[str, float]:
    """MiB by the kernel's names.

    Not getrusage: its maximum survives exec, so it would count the parent's memory.
    """
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[name] = int(value.split()[0]) / 1024
    return found


def cold_start(name: str, threads: int, image: Path) -> float:
    """Milliseconds of a whole `mnist-edge predict`, from its start to its end.

    Raises:
        ModelError: it failed.
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
