"""A batch of pictures -> its rows of output: the unit of work that processes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import numpy as np
import numpy.typing as npt

from mnist_edge.batch.task import R, Task
from mnist_edge.inputs.sources import Item

if TYPE_CHECKING:
    from mnist_edge.outputs.formats import Answer, Document, Rows

__all__ = ["AdaptiveBatchSize", "BatchResult", "Job", "PackedBatch", "pack", "unpack"]

_LARGEST = 128
_SLOW, _FAST = 0.1, 0.02
"""Seconds that a batch should take: results flow, and handing it over costs little beside it."""


@dataclass
class AdaptiveBatchSize:
    """Adapts the batch size: one picture at first, more while a batch takes little time.

    Attributes:
        size: of the next batch.
        largest: that it may become.
    """

    size: int = 1
    largest: int = _LARGEST

    def split(self, batches: Iterator[list[Item]]) -> Iterator[list[Item]]:
        """Splits batches to the current size; an empty batch is yielded as it is."""
        for batch in batches:
            start = 0
            while start < len(batch):
                size = self.size
                yield batch[start : start + size]
                start += size
            if not batch:
                yield batch
            del batch  # the next pictures are read once these are gone

    def update(self, seconds: float) -> None:
        """Adapts to the time that the last batch took."""
        if seconds > _SLOW:
            self.size = max(1, self.size // 2)
        elif seconds < _FAST:
            self.size = min(self.largest, self.size * 2)


@dataclass(frozen=True)
class BatchResult:
    """Results of a batch in a compact form, which a worker can send quickly.

    Attributes:
        rows: of the output.
        answers, confidences, errors: of each picture, as in `Task` and `Result`.
        seconds: that it took.
    """

    rows: Rows
    answers: list[Answer]
    confidences: list[float | None]
    errors: list[str | None]
    seconds: float


PackedBatch = tuple[list[str], npt.NDArray[np.generic] | None] | list[Item]
"""Files travel to a worker as their names alone, pictures of one array as one; objects travel
slowly."""


def pack(batch: list[Item]) -> PackedBatch:
    """Converts a batch to the form in which it is sent to a worker."""
    if all(item.content is None and item.error is None for item in batch):
        return [item.name for item in batch], None
    # What else is in their rows stays here.
    batch = [item._replace(row=None) if item.row else item for item in batch]
    arrays = [item.content for item in batch if isinstance(item.content, np.ndarray)]
    if len(arrays) < len(batch) or len({array.shape for array in arrays}) > 1:
        return batch
    # One large picture is not copied.
    stacked = arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)
    return [item.name for item in batch], stacked


def unpack(names: list[str], arrays: npt.NDArray[np.generic] | None) -> list[Item]:
    """Restores a batch from what `pack` returned."""
    return [*map(Item, names)] if arrays is None else [*map(Item, names, arrays)]


class Job(Generic[R]):
    """Works on batches and formats their rows, in this process or, once sent there, in a worker.

    Args:
        task: what is done with a picture.
        document: formats the rows.
        on_result: called in turn with every picture, before its row is formatted; the job can then
            not be shared, and its batches are of one picture.
    """

    def __init__(
        self,
        task: Task[R],
        document: Document[R],
        on_result: Callable[[Item, R], None] | None = None,
    ) -> None:
        self._task = task
        self._document = document
        self._on_result = on_result
        self.can_be_shared = on_result is None
        self.largest_batch = _LARGEST if self.can_be_shared else 1

    def for_worker(self) -> Job[R]:
        """The same job without its sessions, which cannot be sent to another process."""
        return Job(self._task.for_worker(), self._document)

    def __call__(self, batch: PackedBatch) -> BatchResult:
        """Works on one batch."""
        started = time.perf_counter()
        items = batch if isinstance(batch, list) else unpack(*batch)
        results = self._task.run([item.source for item in items], [item.name for item in items])
        if self._on_result is not None:
            for item, result in zip(items, results, strict=True):
                self._on_result(item, result)
        return BatchResult(
            self._document.rows(results),
            [self._task.answer(result) for result in results],
            [result.confidence for result in results],
            [result.error for result in results],
            time.perf_counter() - started,
        )
