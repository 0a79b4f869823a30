"""A few threads for the pictures of all requests, and a queue that cannot grow.

No batching across requests: a picture takes the network tens of microseconds, less than it would
wait for others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mnist_edge.serve.allocator import trim_heap
from mnist_edge.serve.responses import RequestError

__all__ = ["Workers"]

T = TypeVar("T")

_RETRY_SECONDS = "1"

_TRIM_EVERY = 32
"""Requests after which the heap is trimmed, which takes 0.2 ms at most."""


class Workers:
    """Threads that work for the event loop.

    Args:
        threads: how many.
        waiting: requests that may wait for one.
        memory: bytes that the bodies of all requests may take together.
    """

    def __init__(self, threads: int, waiting: int, memory: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "mnist-edge")
        self._most, self._memory = threads + waiting, memory
        self._since_trim = 0
        self.busy = 0
        """Requests that are worked on, or wait for it."""
        self.held = 0
        """Bytes of bodies that are held."""

    @property
    def is_full(self) -> bool:
        """No further request may wait."""
        return self.busy >= self._most

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread.

        Raises:
            RequestError: too many requests wait already.
        """
        if self.is_full:
            raise _busy("too many requests are waiting")
        self.busy += 1
        future = self._pool.submit(work)
        loop = asyncio.get_running_loop()
        # When the thread is done, not when the client has gone: until then it is taken.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self.busy -= 1
        self._since_trim += 1
        if self._since_trim >= _TRIM_EVERY:
            self._since_trim = 0
            trim_heap()

    def hold(self, size: int) -> None:
        """Counts bytes of a body.

        Raises:
            RequestError: there is no room for them.
        """
        if self.held + size > self._memory:
            raise _busy("too many large requests at once")
        self.held += size

    @contextlib.contextmanager
    def held_bytes(self) -> Iterator[Callable[[int], None]]:
        """Gives `hold`; what was held is free after the block."""
        sizes = 0

        def hold(size: int) -> None:
            nonlocal sizes
            self.hold(size)
            sizes += size

        try:
            yield hold
        finally:
            self.held -= sizes

    def close(self) -> None:
        """Drops what waits; what is being worked on comes to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _busy(why: str) -> RequestError:
    return RequestError(503, f"{why}; try again in a second", {"Retry-After": _RETRY_SECONDS})
