"""Results come in the order of the tasks; failures and the parent's end reach every worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mnist_edge import MnistEdgeError, UsageError
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


def die_at_three(number: int) -> int:
    if number == 3:
        os._exit(1)
    return number


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


def test_an_error_of_ours_in_a_worker_is_raised_here() -> None:
    with (
        WorkerPool(refuse_seven, 2, start_method="fork") as pool,
        pytest.raises(UsageError, match="seven: not today"),
    ):
        list(pool.map(range(20)))


def test_a_worker_that_dies_is_reported() -> None:
    with (
        WorkerPool(die_at_three, 2, start_method="fork") as pool,
        pytest.raises(MnistEdgeError, match="a worker process died"),
    ):
        list(pool.map(range(20)))


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
