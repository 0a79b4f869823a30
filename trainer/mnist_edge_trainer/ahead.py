"""Items of an iterator, made in a thread while those before them are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")

_PATIENCE = 0.2
"""Seconds after which the thread looks whether it is still wanted."""


class Ahead(Generic[T]):
    """Takes the items of an iterator ahead of their use, in a bounded queue.

    They come in the iterator's order, so that what is made of them does not depend on which side
    is faster. An exception is raised where its item would have come.

    Args:
        items: used in the thread alone.
        most: items that wait at most; one more is being made.
        on_start: called in the thread first.
        closed: set by `close`, for items that take so long that making them should end then.
    """

    def __init__(
        self,
        items: Iterator[T],
        most: int = 1,
        on_start: Callable[[], None] | None = None,
        closed: threading.Event | None = None,
    ) -> None:
        self._queue: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(most)
        self._closed = closed or threading.Event()
        self._ended = False
        # The thread does not keep the program from ending.
        self._thread = threading.Thread(
            target=self._run, args=(items, on_start), name="ahead", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, tuple):
            return item[0]
        self._ended = True
        if item is None:
            raise StopIteration
        raise item

    def close(self) -> None:
        """Ends the thread, once the item that it is making is done."""
        self._closed.set()
        self._ended = True
        self._thread.join()

    def _run(self, items: Iterator[T], on_start: Callable[[], None] | None) -> None:
        last: BaseException | None = None
        try:
            if on_start is not None:
                on_start()
            for item in items:
                if not self._put((item,)):
                    break
        except BaseException as error:
            last = error  # raised again where it can be handled
        self._put(last)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        """Waits for room in the queue; whether the item is still wanted."""
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False
