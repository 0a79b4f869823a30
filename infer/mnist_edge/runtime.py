"""onnxruntime, imported in one place: without telemetry, without noise, safe to fork.

Everything else takes it from here: ``from mnist_edge.runtime import onnxruntime``. The variable
that switches telemetry off is set in `mnist_edge` itself, which is imported before this.
"""

from __future__ import annotations

import contextlib
import ctypes  # numpy has imported it already
import functools
import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np  # noqa: F401 - before stderr is silenced, so that its own warnings are seen

__all__ = ["CPU_PROVIDER", "MEMORY_LIMIT", "call_within", "create_session", "onnxruntime"]

T = TypeVar("T")


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drops what native code writes to file descriptor 2 within the block."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed: nothing can be written to it
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


# On a Raspberry Pi, versions from 1.23 on complain of its processor and its graphics, at length
# (github.com/microsoft/onnxruntime/issues/26300). Whatever matters is an exception.
with _silent_stderr():
    import onnxruntime

_FATAL = 4
"""Severity of what onnxruntime may log: every lesser error is an exception too."""

onnxruntime.set_default_logger_severity(_FATAL)

CPU_PROVIDER = "CPUExecutionProvider"
"""What onnxruntime runs a model on unless another provider is chosen."""

MEMORY_LIMIT = 256 << 20
"""Bytes that all bounded sessions together may use: their weights and all that they compute."""


def create_session(
    content: bytes,
    threads: int = 1,
    provider: str = CPU_PROVIDER,
    profile: str | None = None,
    *,
    bounded: bool = False,
    sizes_vary: bool = False,
) -> onnxruntime.InferenceSession:
    """An onnxruntime session set up for a small device.

    Args:
        content: a serialised ONNX model.
        threads: within one operator; for networks this small, 1 is usually the fastest.
        provider: what runs the operators that it has; the processor runs the others.
        profile: begin a profile; its file's name starts with this.
        bounded: for a model that is not trusted: it may use `MEMORY_LIMIT` bytes on the processor.
        sizes_vary: its inputs have many sizes: nothing is kept for each that was seen.

    Raises:
        Exception: any error of onnxruntime; its errors share no base class.
    """
    options = onnxruntime.SessionOptions()
    # A number, even 1, turns off pinning, which fails noisily in containers with a cpuset.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the battery between two pictures; the arena keeps memory it once used.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = not sizes_vary
    options.log_severity_level = _FATAL
    disabled = []
    if bounded:
        _limit_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # It computes constants while the model is loaded, without that limit.
        disabled = ["ConstantFolding"]
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    session = onnxruntime.InferenceSession(
        content,
        options,
        providers=[provider],
        disabled_optimizers=disabled,
        # Where it falls back to the processor, it says so on stdout.
        enable_fallback=int(provider != CPU_PROVIDER),
    )
    _sessions.add(session)
    return session


@functools.cache
def _limit_memory() -> None:
    """Gives this process an allocator with a limit, for the sessions that ask for it."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # It grows by what is asked for, not by powers of two.
    arena = onnxruntime.OrtArenaCfg({"max_mem": MEMORY_LIMIT, "arena_extend_strategy": 1})
    # Where the caller has registered one, that is used.
    with contextlib.suppress(RuntimeError):
        onnxruntime.create_and_register_allocator(memory, arena)


_sessions: weakref.WeakSet[Any] = weakref.WeakSet()
"""Every session of this process."""


def _abandon_sessions() -> None:
    """Keeps a forked child from destroying the parent's sessions.

    A session of several threads waits for them at its end, and they do not exist in the child: it
    would hang for ever at exit. So they are never destroyed there.
    """
    for session in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_sessions)


def call_within(seconds: float, function: Callable[[onnxruntime.RunOptions], T]) -> T:
    """Calls a function that may take for ever in native code, where no signal is noticed.

    It runs in another thread, so Ctrl-C works meanwhile. Past the time, the thread is left to
    itself; it does not keep the process from ending.

    Args:
        seconds: that it may take.
        function: given the options that its sessions must be run with.

    Raises:
        TimeoutError: it takes longer.
        Exception: what the function raises.
    """
    import threading  # a released model needs none

    options = onnxruntime.RunOptions()
    outcome: list[Callable[[], T]] = []

    def work() -> None:
        try:
            result = function(options)
        except Exception as error:
            outcome.append(functools.partial(_throw, error))
        else:
            outcome.append(lambda: result)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:
        options.terminate = True  # between two operators
    if not outcome:
        raise TimeoutError
    return outcome[0]()


def _throw(error: Exception) -> Any:
    raise error
