"""The one process pool: results in the order of the tasks, workers that end with their parent."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

from mnist_edge.errors import MnistEdgeError
from mnist_edge.outputs import stderr

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["WorkerPool", "available_cores"]

T = TypeVar("T")
R = TypeVar("R")

_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}

_TASKS_PER_WORKER = 4
"""Tasks that may be ahead of the next result: a slow task does not let finished ones pile up."""


def available_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool(Generic[T, R]):
    """Processes that apply one function to many tasks.

    A worker has one task at most, so that no side waits to send while the other does too. Workers
    end with the `with` block; and when the parent is killed, since their pipe then closes.

    Args:
        work: applied to each task, in a worker. An exception of ours is raised again in `map`;
            any other ends the worker.
        workers: number of processes; None = one for each core.
        start_method: ``"fork"`` starts in a hundredth of the time, and is safe only while no other
            thread runs in this process; ``"spawn"`` is safe with torch, and needs `work` to be
            picklable. Where there is no fork (Windows, macOS), ``"spawn"`` is used.

    Raises:
        OSError: no process can be started.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        workers: int | None = None,
        *,
        start_method: Literal["fork", "spawn"] = "spawn",
    ) -> None:
        import multiprocessing  # slow to import, and a single picture needs no pool

        forks = start_method == "fork" and sys.platform == "linux"
        context = (
            multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
        )
        self._idle: list[Connection] = []
        self._busy: dict[Connection, int] = {}
        self._processes = []
        # A signal between fork and the worker's first line would print a traceback.
        with _interrupts_blocked(), nullcontext() if forks else stderr.lent_to_children():
            for _ in range(workers or available_cores()):
                ours, theirs = context.Pipe()
                self._idle.append(ours)
                # A worker with a copy of the parent's end would not notice that the parent ended.
                inherited = [*self._idle] if forks else []
                process = context.Process(
                    target=_serve, args=(theirs, work, inherited), daemon=True
                )
                process.start()
                theirs.close()
                self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def map(self, tasks: Iterable[T | None]) -> Iterator[R]:
        """Results in the order of the tasks, which are taken as workers become idle.

        A task that is None is not worked on: it says that the next one may take a while to come,
        and everything before it is then finished and yielded first.

        Raises:
            MnistEdgeError: `work` raised it, or a worker died.
        """
        results: dict[int, R] = {}
        sent = received = 0
        most = _TASKS_PER_WORKER * len(self._processes)
        for task in tasks:
            while self._busy if task is None else not self._idle or sent - received >= most:
                results |= self._receive()
                while received in results:
                    yield results.pop(received)
                    received += 1
            if task is not None:
                self._send(sent, task)
                sent += 1
        while self._busy:
            results |= self._receive()
        yield from (results[number] for number in range(received, sent))

    def _send(self, number: int, task: T) -> None:
        worker = self._idle.pop()
        try:
            worker.send(task)
        except OSError as error:
            raise _death() from error
        self._busy[worker] = number

    def _receive(self) -> dict[int, R]:
        """Waits for the first workers that are done: their results, by the number of the task."""
        from multiprocessing.connection import Connection, wait

        results: dict[int, R] = {}
        for worker in wait(list(self._busy)):
            assert isinstance(worker, Connection)
            try:
                result = worker.recv()
            except (EOFError, OSError) as error:
                raise _death() from error
            if isinstance(result, MnistEdgeError):
                raise result
            results[self._busy.pop(worker)] = result
            self._idle.append(worker)
        return results


def _death() -> MnistEdgeError:
    return MnistEdgeError("a worker process died (killed, or out of memory); try --workers 1")


def _serve(connection: Connection, work: Callable[[T], R], inherited: list[Connection]) -> None:
    """Runs tasks in a worker, one after the other, until the parent closes the pipe."""
    for other in inherited:
        other.close()
    # A signal to the whole group reaches every process; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    stderr.take_over()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return  # the parent is gone
        result: R | MnistEdgeError
        try:
            result = work(task)
        except MnistEdgeError as error:
            result = error
        try:
            connection.send(result)
        except OSError:
            return


class _interrupts_blocked:  # noqa: N801 - reads as a block
    """Defers Ctrl-C and SIGTERM to the end of the block, where signals can be blocked."""

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
