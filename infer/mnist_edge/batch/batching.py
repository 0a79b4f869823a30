"""A stream of pictures -> answers as text, in order: on one core, or on all there are.

The first pictures are answered in this process. Where that takes a while, a team of processes
takes over.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mnist_edge.classifier import DigitClassifier, Prediction
from mnist_edge.inputs.prefetch import ReadAhead
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs.formats import Writer

__all__ = [
    "Answered",
    "Pace",
    "Task",
    "answer_all",
    "available_cores",
    "chunks_of",
    "predict_items",
]

_ALONE, _MANY = 0.03, 256
"""Seconds, and pictures, for which help is worth its own start."""

_LARGEST_CHUNK = 128
_SLOW, _FAST = 0.1, 0.02
"""Seconds that a chunk should take: answers flow, and handing it over costs little beside it."""


@dataclass(frozen=True)
class Answered:
    """Answers to consecutive pictures.

    Attributes:
        items: what was answered.
        text: its rows.
        digits, confidences, errors: of each, as in `Prediction`.
    """

    items: list[Item]
    text: str
    digits: list[int | None]
    confidences: list[float | None]
    errors: list[str | None]

    @classmethod
    def of(cls, items: list[Item], predictions: list[Prediction], text: str) -> Answered:
        """What is told of predictions, in light pieces."""
        return cls(
            items,
            text,
            [prediction.digit for prediction in predictions],
            [prediction.confidence for prediction in predictions],
            [prediction.error for prediction in predictions],
        )


@dataclass(frozen=True)
class Task:
    """All that a process has to know to answer pictures.

    Attributes:
        model, threads, min_confidence: as `DigitClassifier` takes them.
        writer: of the answers.
    """

    model: str | None
    threads: int
    min_confidence: float | None
    writer: Writer

    def classifier(self) -> DigitClassifier:
        """Raises ModelError where the model cannot be used."""
        return DigitClassifier(self.model, threads=self.threads, min_confidence=self.min_confidence)

    def answer(self, classifier: DigitClassifier, items: list[Item], first: bool) -> Answered:
        """Answers some pictures; `first`: none were answered before."""
        predictions = predict_items(classifier, items)
        return Answered.of(items, predictions, self.writer.rows(predictions, first=first))


def predict_items(classifier: DigitClassifier, items: Sequence[Item]) -> list[Prediction]:
    """Answers to some pictures; the error of one that could not even be opened is its answer."""
    readable = [item for item in items if item.error is None]
    answers = iter(
        classifier.answer([item.source for item in readable], [item.name for item in readable])
    )
    return [
        next(answers) if item.error is None else classifier.unread(item.name, item.error)
        for item in items
    ]


def available_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def answer_all(
    items: Iterator[Item | None],
    task: Task,
    classifier: DigitClassifier,
    workers: int,
    ahead: ReadAhead | None = None,
) -> Iterator[Answered]:
    """Answers a stream of pictures, in order; memory does not grow with its length.

    Args:
        items: None among them says that the next may take a while: what there is, is answered.
        task: what the answers are to look like.
        classifier: of the task, for the pictures that are answered here.
        workers: processes that may help; 1 = none.
        ahead: has read some of the pictures.

    Raises:
        MnistEdgeError: a process died.
    """
    pace = Pace()
    head = _head(items) if workers > 1 else []
    items = itertools.chain(head, items)
    is_first = True
    if len(head) < _MANY:
        started = time.perf_counter()
        for chunk in chunks_of(items, pace):
            if not chunk:
                continue
            begun = time.perf_counter()
            yield task.answer(classifier, chunk, is_first)
            is_first = False
            pace.took(time.perf_counter() - begun)
            if workers > 1 and begun - started > _ALONE:
                break
        else:
            return
    from mnist_edge.batch.worker_pool import Team

    read = None if ahead is None else ahead.pictures()
    with Team(task, workers, pace, read) as team:
        yield from team.answer(items, first=is_first)


def _head(items: Iterator[Item | None]) -> list[Item | None]:
    """The first pictures, as long as to know of them costs nothing but their names."""
    head: list[Item | None] = []
    for item in items:
        head.append(item)
        if item is None or item.content is not None or len(head) == _MANY:
            break
    return head


@dataclass
class Pace:
    """How many pictures to answer at a time: one at first, more while they take no time."""

    size: int = 1

    def took(self, seconds: float) -> None:
        """Is told what the last chunk took."""
        if seconds > _SLOW:
            self.size = max(1, self.size // 2)
        elif seconds < _FAST:
            self.size = min(_LARGEST_CHUNK, self.size * 2)


def chunks_of(items: Iterator[Item | None], pace: Pace) -> Iterator[list[Item]]:
    """Groups items; a group without any says that the next may take a while to come."""
    chunk: list[Item] = []
    for item in items:
        if item is not None:
            chunk.append(item)
        if chunk and (item is None or len(chunk) >= pace.size):
            yield chunk
            chunk = []
        if item is None:
            yield []
    if chunk:
        yield chunk
