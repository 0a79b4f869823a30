"""The one process pool: results in the order of the tasks, workers that end with their parent."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

from mnist_edge.errors import MnistEdgeError
from mnist_edge.outputs import stderr

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

__all__ = ["WorkerPool", "available_cores"]

T = TypeVar("T")
R = TypeVar("R")

_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}

_TASKS_PER_WORKER = 4
"""Tasks that may be ahead of the next result: a slow task does not let finished ones pile up."""

_MOST_BYTES = 32 << 20
"""Bytes of the tasks and results that are ahead of it, one task apart."""

_SPARE_FILES = 8
"""Files that can still be opened when all workers have their pipes."""

_PATIENCE = 5
"""Seconds to wait for the exit code of a process whose pipe is closed."""


def available_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool(Generic[T, R]):
    """Processes that apply one function to many tasks.

    A worker has one task at most, so that no side waits to send while the other does too. Workers
    end with the `with` block; and when the parent is killed, since their pipe then closes.

    Where the system allows fewer processes or open files than were asked for, there are fewer
    workers; where it allows none, the tasks are worked on in this process.

    Args:
        work: applied to each task, in a worker. An exception of ours is raised again in `map`;
            any other ends the worker.
        workers: number of processes; None = one for each core.
        start_method: ``"fork"`` starts in a hundredth of the time, and is safe only while no other
            thread runs in this process; ``"spawn"`` is safe with torch, and needs `work` to be
            picklable. Where there is no fork (Windows, macOS), ``"spawn"`` is used.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        workers: int | None = None,
        *,
        start_method: Literal["fork", "spawn"] = "spawn",
    ) -> None:
        import multiprocessing  # slow to import, and a single picture needs no pool

        self._work = work
        self._forks = start_method == "fork" and sys.platform == "linux"
        context = multiprocessing.get_context("fork" if self._forks else "spawn")
        self._idle: list[Connection] = []
        self._busy: dict[Connection, int] = {}
        self._processes: dict[Connection, BaseProcess] = {}
        with contextlib.ExitStack() as stack:
            # A signal between fork and the worker's first line would print a traceback.
            stack.enter_context(_interrupts_blocked())
            stack.enter_context(contextlib.suppress(OSError))
            stack.enter_context(_spare_files())
            if not self._forks:
                stack.enter_context(stderr.lent_to_children())
            for _ in range(workers or available_cores()):
                self._start(context)
        # At its end, the interpreter waits for processes that it asked to terminate, which ours
        # ignore. Functions that were registered later are called before it does.
        atexit.register(self._kill)

    @property
    def size(self) -> int:
        """Number of processes; 0 = the tasks are worked on in this one."""
        return len(self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        atexit.unregister(self._kill)
        self._kill()

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.join()

    def map(self, tasks: Iterable[T | None]) -> Iterator[R]:
        """Results in the order of the tasks, which are taken as workers become idle.

        A task that is None is not worked on: it says that the next one may take a while to come,
        and everything before it is then finished and yielded first.

        Raises:
            MnistEdgeError: `work` raised it, or a worker died; results of earlier tasks are yielded
                first.
        """
        if not self._processes:
            yield from (self._work(task) for task in tasks if task is not None)
            return
        flight = _Flight[R](_TASKS_PER_WORKER * len(self._processes))
        for task in tasks:
            if task is None:
                while self._busy:
                    yield from self._receive(flight)
                continue
            content = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
            del task  # a large one is in memory once
            while not (self._idle and flight.has_room(len(content))):
                yield from self._receive(flight)
            self._send(content, flight)
            del content
            while not flight.has_room(0):
                yield from self._receive(flight)
        while self._busy or flight.error is not None:
            yield from self._receive(flight)

    def _start(self, context: BaseContext) -> None:
        ours, theirs = context.Pipe()
        try:
            # A worker with a copy of the parent's end would not notice that the parent ended.
            inherited = [*self._idle, ours] if self._forks else []
            process = context.Process(  # type: ignore[attr-defined]
                target=_serve, args=(theirs, self._work, inherited), daemon=True
            )
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._idle.append(ours)
        self._processes[ours] = process

    def _send(self, content: bytes, flight: _Flight[R]) -> None:
        worker = self._idle.pop()
        number = flight.start(content)
        try:
            worker.send_bytes(content)
            self._busy[worker] = number
        except OSError:
            flight.fail(number, self._death_of(worker))

    def _receive(self, flight: _Flight[R]) -> Iterator[R]:
        """Waits for the first workers that are done; the results whose turn it is.

        Raises:
            MnistEdgeError: a task has failed, and all tasks before it are done.
        """
        from multiprocessing.connection import Connection, wait

        if flight.error is not None and all(task > flight.failed for task in self._busy.values()):
            raise flight.error
        for worker in wait(list(self._busy)):
            assert isinstance(worker, Connection)
            number = self._busy.pop(worker)
            try:
                content = worker.recv_bytes()
            except (EOFError, OSError):
                flight.fail(number, self._death_of(worker))
                continue
            self._idle.append(worker)
            result = pickle.loads(content)
            if isinstance(result, MnistEdgeError):
                flight.fail(number, result)
            else:
                flight.finish(number, result, len(content))
        yield from flight.in_turn()

    def _death_of(self, worker: Connection) -> MnistEdgeError:
        process = self._processes[worker]
        process.join(_PATIENCE)
        how = f"exit code {process.exitcode}"
        if process.exitcode is not None and process.exitcode < 0:
            how = f"killed by signal {-process.exitcode}; perhaps out of memory"
        return MnistEdgeError(f"a worker process died ({how}); try --workers 1")


class _Flight(Generic[R]):
    """Tasks that were sent, and results that wait for their turn.

    Args:
        most: tasks that may be ahead of the next result.

    Attributes:
        failed, error: number of the first task that failed, and why; None = none has.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._results: dict[int, R] = {}
        self._sizes: dict[int, int] = {}
        self._next = self._sent = 0
        self.failed = -1
        self.error: MnistEdgeError | None = None

    def has_room(self, size: int) -> bool:
        """Whether a task of `size` bytes may be sent; one always may."""
        if self.error is not None:
            return False
        ahead = self._sent - self._next
        size += sum(self._sizes.values())
        return ahead == 0 or (ahead < self._most and size <= _MOST_BYTES)

    def start(self, content: bytes) -> int:
        """The number of a task that is sent."""
        self._sent += 1
        self._sizes[self._sent - 1] = len(content)
        return self._sent - 1

    def finish(self, number: int, result: R, size: int) -> None:
        """Keeps a result of `size` bytes until its turn; its task may be kept elsewhere as long."""
        self._results[number] = result
        self._sizes[number] += size

    def fail(self, number: int, error: MnistEdgeError) -> None:
        """Keeps the error of the first task that failed."""
        if self.error is None or number < self.failed:
            self.failed, self.error = number, error

    def in_turn(self) -> Iterator[R]:
        """Results, as long as no earlier one is missing."""
        while self._next in self._results:
            del self._sizes[self._next]
            self._next += 1
            yield self._results.pop(self._next - 1)


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
            content = connection.recv_bytes()
        except (EOFError, OSError, MemoryError):
            return  # the parent is gone, or has to notice
        result: R | MnistEdgeError
        try:
            task = pickle.loads(content)
            del content  # a large one is in memory once
            result = work(task)
        except MnistEdgeError as error:
            result = error
        except MemoryError:
            result = MnistEdgeError("a worker process ran out of memory; try --workers 1")
        try:
            connection.send_bytes(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
        except OSError:
            return


@contextlib.contextmanager
def _spare_files() -> Iterator[None]:
    """Keeps some files from being opened: those that the pictures are read from need them."""
    with contextlib.ExitStack() as stack:
        for _ in range(_SPARE_FILES):
            stack.enter_context(open(os.devnull, "rb"))
        yield


class _interrupts_blocked:  # noqa: N801 - reads as a block
    """Defers Ctrl-C and SIGTERM to the end of the block, where signals can be blocked."""

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
