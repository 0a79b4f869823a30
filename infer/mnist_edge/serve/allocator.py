"""Lets the C library give memory back that a large picture has taken."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys

__all__ = ["give_memory_back", "trim_heap"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3): what is kept free at the heap's end; the size from which on a block is
mapped, and unmapped once freed; heaps."""

_LARGE = 1 << 20
"""Bytes. More than the buffer of 256 KiB that asyncio makes for every block that it receives."""


def give_memory_back() -> None:
    """Has glibc map large blocks one by one, and keep one heap for all threads; elsewhere, nothing.

    By itself it maps ever larger blocks in its heaps once it has seen one freed, and a heap shrinks
    from its end alone: one large picture would keep its memory for as long as the server runs.
    """
    library = _glibc()
    if library is None:
        return
    for parameter, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE), (_ARENA_MAX, 1)):
        with contextlib.suppress(AttributeError):  # another C library
            library.mallopt(parameter, value)


def trim_heap() -> None:
    """Gives free pages in the middle of the heap back too; without glibc, does nothing."""
    library = _glibc()
    if library is not None:
        with contextlib.suppress(AttributeError):
            library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
