"""The worker pool: results in order, errors, and workers that end with their parent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mnist_edge import MnistEdgeError, UsageError
from mnist_edge.batch.worker_pool import WorkerPool
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


def halve(number: int) -> int:
    if number % 2:
        raise UsageError(f"{number} is odd")
    return number // 2


def die(_: int) -> int:
    os._exit(3)


def test_results_are_in_the_order_of_the_tasks() -> None:
    with WorkerPool(halve, WORKERS) as pool:
        assert list(pool.map([2 * n for n in range(50)])) == list(range(50))


def test_error_of_ours_is_raised_in_the_parent() -> None:
    with WorkerPool(halve, 2) as pool, pytest.raises(UsageError, match="3 is odd"):
        list(pool.map([2, 3]))


def test_worker_that_dies_is_reported() -> None:
    with WorkerPool(die, 2) as pool, pytest.raises(MnistEdgeError, match="worker process died"):
        list(pool.map([1]))


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
