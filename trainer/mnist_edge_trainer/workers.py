"""The processes that read and render pictures, and the way without them.

Every worker process imports this module: it must not import torch, which takes seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mnist_edge.batch.worker_pool import WorkerPool

__all__ = ["map_in_workers"]

T = TypeVar("T")
R = TypeVar("R")

_LOG = logging.getLogger(__name__)


def map_in_workers(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """Applies a function to many tasks, on all cores; where no process can be started, on one.

    Args:
        work: can be pickled.
        tasks: to apply it to.

    Returns:
        the results, in the order of the tasks.
    """
    with WorkerPool(work) as pool:
        if pool.size == 0:
            _LOG.warning("no worker process can be started: on one core, which takes longer")
        yield from pool.map(tasks)
