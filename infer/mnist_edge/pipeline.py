"""A stream of pictures -> answers as text, in order: on one core, or on all there are.

The first pictures are answered in this process. Where that takes a while, processes of the same
program help: each is handed a chunk of pictures, and hands back the text of the answers.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Self

from mnist_edge.classifier import DigitClassifier, Prediction
from mnist_edge.errors import MnistEdgeError
from mnist_edge.output import Writer
from mnist_edge.sources import Item

__all__ = ["Answered", "Task", "answer_all", "available_cores", "predict_items"]

_ALONE = 0.08
"""Seconds after which help is worth its own start."""

_LARGEST_CHUNK = 64
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
        next(answers) if item.error is None else Prediction(item.name, None, None, None, item.error)
        for item in items
    ]


def available_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def answer_all(
    items: Iterator[Item | None], task: Task, classifier: DigitClassifier, workers: int
) -> Iterator[Answered]:
    """Answers a stream of pictures, in order; memory does not grow with its length.

    Args:
        items: None among them says that the next may take a while: what there is, is answered.
        task: what the answers are to look like.
        classifier: of the task, for the pictures that are answered here.
        workers: processes that may help; 1 = none.

    Raises:
        MnistEdgeError: a process died.
    """
    pace = _Pace()
    started = time.perf_counter()
    is_first = True
    for chunk in _chunks(items, pace):
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
    with _Team(task, workers, pace) as team:
        yield from team.answer(items)


@dataclass
class _Pace:
    """How many pictures to answer at a time: one at first, more while they take no time."""

    size: int = 1

    def took(self, seconds: float) -> None:
        """Is told what the last chunk took."""
        if seconds > _SLOW:
            self.size = max(1, self.size // 2)
        elif seconds < _FAST:
            self.size = min(_LARGEST_CHUNK, self.size * 2)


def _chunks(items: Iterator[Item | None], pace: _Pace) -> Iterator[list[Item]]:
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


class _Team:
    """Processes that answer chunks of pictures.

    Each has one chunk at most, so that nobody waits to send while nobody receives. They end with
    the `with` block, and with this process, however that ends.
    """

    def __init__(self, task: Task, workers: int, pace: _Pace) -> None:
        self._pace = pace
        self._most = 4 * workers
        self._working: dict[Connection, int] = {}
        self._asked: dict[int, list[Item]] = {}
        self._answered: dict[int, Answered] = {}
        self._given = 0
        # A fork starts in a hundredth of the time. It is safe: no thread is running here.
        forks = sys.platform == "linux"
        context = (
            multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
        )
        self._idle: list[Connection] = []
        self._processes = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            self._idle.append(ours)
            # A copy of our end, left open over there, would hide our end from the one it reads.
            inherited = [*self._idle] if forks else []
            process = context.Process(target=_work, args=(theirs, task, inherited), daemon=True)
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

    def answer(self, items: Iterator[Item | None]) -> Iterator[Answered]:
        """As `answer_all`."""
        asked = 0
        for chunk in _chunks(items, self._pace):
            if not chunk:
                while self._working:
                    self._receive()
                    yield from self._next_in_order()
                continue
            while not self._idle or asked - self._given >= self._most:
                self._receive()
                yield from self._next_in_order()
            worker = self._idle.pop()
            self._asked[asked] = chunk
            self._working[worker] = asked
            self._send(worker, chunk)
            asked += 1
        while self._working:
            self._receive()
            yield from self._next_in_order()

    def _next_in_order(self) -> Iterator[Answered]:
        while self._given in self._answered:
            yield self._answered.pop(self._given)
            self._given += 1

    def _send(self, worker: Connection, chunk: list[Item]) -> None:
        try:
            worker.send(chunk)
        except OSError as error:
            raise self._death() from error

    def _receive(self) -> None:
        """Waits for whoever is ready first."""
        for worker in wait(list(self._working)):
            assert isinstance(worker, Connection)
            try:
                answer = worker.recv()
            except (EOFError, OSError) as error:
                raise self._death() from error
            if isinstance(answer, MnistEdgeError):
                raise answer
            seconds, answered = answer
            number = self._working.pop(worker)
            self._answered[number] = dataclasses.replace(answered, items=self._asked.pop(number))
            self._pace.took(seconds)
            self._idle.append(worker)

    @staticmethod
    def _death() -> MnistEdgeError:
        return MnistEdgeError(
            "a process that was answering died (killed, or out of memory); try --workers 1"
        )


def _work(connection: Connection, task: Task, inherited: list[Connection]) -> None:
    """What a process of the team does until nobody asks any more."""
    for other in inherited:
        other.close()
    # Ctrl-C at the terminal reaches everybody; whoever asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        classifier = task.classifier()
        while True:
            items = connection.recv()
            begun = time.perf_counter()
            answered = task.answer(classifier, items, first=False)
            seconds = time.perf_counter() - begun
            connection.send((seconds, dataclasses.replace(answered, items=[])))
    except (EOFError, OSError):
        return
    except MnistEdgeError as error:
        connection.send(error)
