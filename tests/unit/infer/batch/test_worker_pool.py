"""Results come in the order of the tasks; failures and the parent's end reach every worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from mnist_edge import MnistEdgeError, UsageError
from mnist_edge.batch import worker_pool
from mnist_edge.batch.worker_pool import WorkerPool, available_cores
from tests.process_tree import children, needs_proc, wait_for_end

WORKERS = 3

BUSY = f"""
from mnist_edge.batch.worker_pool import WorkerPool
def work(n):
    return sum(range(n))
if __name__ == "__main__":
    with WorkerPool(work, {WORKERS}, start_method="fork") as pool:
        for _ in pool.map([1_000_000] * 1_000_000):
            print("working", flush=True)
"""


def square(number: int) -> int:
    return number * number


def slow_first(number: int) -> int:
    """Many steps for task 0, few for the others."""
    return sum(range(5_000_000 if number == 0 else 10)) * 0 + number


def refuse_seven(number: int) -> int:
    if number == 7:
        raise UsageError("seven: not today")
    return number


def die_at_seven(number: int) -> int:
    if number == 7:
        os._exit(1)
    return number


def killed_at_seven(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def full_at_seven(number: int) -> int:
    if number == 7:
        raise MemoryError
    return number


def slow_first_and_long(number: int) -> bytes:
    return bytes(8_000 + slow_first(number) * 0)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_results_are_in_the_order_of_the_tasks(start_method: str) -> None:
    with WorkerPool(square, 3, start_method=start_method) as pool:  # type: ignore[arg-type]
        assert list(pool.map(range(100))) == [number * number for number in range(100)]
        assert list(pool.map([])) == []


def test_a_slow_task_holds_back_the_results_after_it() -> None:
    with WorkerPool(slow_first, 2, start_method="fork") as pool:
        assert list(pool.map(range(20))) == list(range(20))


def test_tasks_are_taken_only_as_far_ahead_as_workers_need() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with WorkerPool(square, 2, start_method="fork") as pool:
        results = pool.map(endless())
        for _ in range(50):
            next(results)
    assert taken <= 50 + 2 * 4 + 1


def test_a_task_of_none_finishes_everything_before_it() -> None:
    yielded: list[int] = []

    def tasks() -> Iterator[int | None]:
        yield from (1, 2, 3)
        yield None
        assert yielded == [1, 4, 9]
        yield 4

    with WorkerPool(square, 2, start_method="fork") as pool:
        for result in pool.map(tasks()):
            yielded.append(result)
    assert yielded == [1, 4, 9, 16]


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (refuse_seven, "seven: not today"),
        (die_at_seven, r"a worker process died \(exit code 1\); try --workers 1"),
        (killed_at_seven, r"a worker process died \(killed by signal 9; perhaps out of memory\)"),
        (full_at_seven, "a worker process ran out of memory"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_before_a_failure_are_kept(
    work: Callable[[int], int], error: str, workers: int
) -> None:
    results = []
    with (
        WorkerPool(work, workers, start_method="fork") as pool,
        pytest.raises(MnistEdgeError, match=error),
    ):
        for result in pool.map(range(20)):
            results.append(result)
    assert results == list(range(7))


def test_tasks_in_flight_are_few_if_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_MOST_BYTES", 10_000)
    taken = 0

    def tasks(size: int) -> Iterator[bytes]:
        nonlocal taken
        for _ in range(40):
            taken += 1
            yield bytes(size)

    for size, most in ((9_000, 2), (4_000, 3), (100, 4 * 4)):
        taken = 0
        with WorkerPool(len, 4, start_method="fork") as pool:
            for yielded, length in enumerate(pool.map(tasks(size)), 1):
                assert length == size
                assert taken - yielded <= most
        assert taken == 40


def test_results_that_wait_count_as_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_MOST_BYTES", 10_000)
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield number

    with WorkerPool(slow_first_and_long, 4, start_method="fork") as pool:
        results = pool.map(tasks())
        assert len(next(results)) == 8_000
        assert taken <= 7
        assert [len(result) for result in results] == [8_000] * 29


@pytest.mark.skipif(sys.platform != "linux", reason="starts both kinds of processes")
@pytest.mark.parametrize("possible", [0, 1, 2])
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_where_few_processes_are_allowed_there_are_fewer_workers(
    monkeypatch: pytest.MonkeyPatch, possible: int, start_method: Literal["fork", "spawn"]
) -> None:
    left = possible
    kind = multiprocessing.get_context(start_method).Process  # type: ignore[attr-defined]
    start = kind.start

    def start_if_allowed(process: object) -> None:
        nonlocal left
        if left == 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left -= 1
        start(process)

    monkeypatch.setattr(kind, "start", start_if_allowed)
    with WorkerPool(square, 5, start_method=start_method) as pool:
        assert list(pool.map([1, 2, None, 3, 4])) == [1, 4, 9, 16]
    assert left == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of a process")
@pytest.mark.parametrize("most", [12, 20, 30])
def test_where_few_files_may_be_open_some_are_left_for_the_pictures(most: int) -> None:
    code = f"""
import multiprocessing.connection, os, resource
from mnist_edge.batch.worker_pool import WorkerPool
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))
with WorkerPool(abs, 16, start_method="fork") as pool:
    files = [open(os.devnull) for _ in range(5)]
    assert list(pool.map(range(-50, 0))) == list(range(50, 0, -1))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_available_cores_is_what_the_system_says() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


@needs_proc
def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        begun = parent.stdout.readline()
        workers = children(parent.pid)
        parent.kill()
    assert begun == b"working\n"
    assert len(workers) == WORKERS
    wait_for_end(workers)
