"""Processes of this program that share the work: each is handed a chunk of pictures, and hands back
the text of the answers."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Self

import numpy as np
import numpy.typing as npt

from mnist_edge.batch.batching import Answered, Pace, Task, chunks_of
from mnist_edge.errors import MnistEdgeError
from mnist_edge.inputs.prefetch import Pictures
from mnist_edge.inputs.sources import Item

__all__ = ["Team"]


class Team:
    """Processes that answer chunks of pictures.

    Each has one chunk at most, so that nobody waits to send while nobody receives. They end with
    the `with` block, and with this process, however that ends.

    Args:
        task: what they are to do.
        workers: how many they are.
        pace: of the chunks.
        read: pictures that were read ahead, in memory that is shared; None = none were.
    """

    def __init__(self, task: Task, workers: int, pace: Pace, read: Pictures | None = None) -> None:
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
            process = context.Process(
                target=_work, args=(theirs, task, inherited, read), daemon=True
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

    def answer(self, items: Iterator[Item | None], *, first: bool) -> Iterator[Answered]:
        """As `answer_all`; `first`: none were answered before."""
        asked = 0
        for chunk in chunks_of(items, self._pace):
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
            self._send(worker, chunk, first and asked == 0)
            asked += 1
        while self._working:
            self._receive()
            yield from self._next_in_order()

    def _next_in_order(self) -> Iterator[Answered]:
        while self._given in self._answered:
            yield self._answered.pop(self._given)
            self._given += 1

    def _send(self, worker: Connection, chunk: list[Item], first: bool) -> None:
        try:
            worker.send((_packed(chunk), first))
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


Packed = tuple[list[str], npt.NDArray[np.generic] | None] | list[Item]


def _packed(chunk: list[Item]) -> Packed:
    """Files travel as their names alone, pictures of one array as one; objects travel slowly."""
    names = [item.name for item in chunk]
    if all(item.content is None and item.error is None for item in chunk):
        return names, None
    contents = [item.content for item in chunk if isinstance(item.content, np.ndarray)]
    if len(contents) < len(chunk) or len({content.shape for content in contents}) > 1:
        return chunk
    return names, np.stack(contents)


def _unpacked(packed: Packed, read: Pictures | None) -> list[Item]:
    if isinstance(packed, list):
        return packed
    names, contents = packed
    if contents is not None:
        return list(map(Item, names, contents))
    return list(map(Item, names, itertools.repeat(None) if read is None else read.of(names)))


def _work(
    connection: Connection, task: Task, inherited: list[Connection], read: Pictures | None
) -> None:
    """What a process of the team does until nobody asks any more."""
    for other in inherited:
        other.close()
    # Ctrl-C at the terminal reaches everybody; whoever asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        classifier = task.classifier()
        while True:
            packed, first = connection.recv()
            begun = time.perf_counter()
            answered = task.answer(classifier, _unpacked(packed, read), first)
            seconds = time.perf_counter() - begun
            connection.send((seconds, dataclasses.replace(answered, items=[])))
    except (EOFError, OSError):
        return
    except MnistEdgeError as error:
        connection.send(error)
