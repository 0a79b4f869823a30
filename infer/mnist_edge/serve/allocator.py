"""Lets the C library give memory back that a large picture has taken."""

from __future__ import annotations

import contextlib
import ctypes
import sys

__all__ = ["give_memory_back"]

_MMAP_THRESHOLD = -3
"""Parameter of mallopt(3): blocks from this size on are mapped, and unmapped once freed."""

_TRIM_THRESHOLD = -1
"""Parameter of mallopt(3): so much that is free at the heap's end is kept."""

_LARGE = 1 << 20
"""Bytes. More than the buffer of 256 KiB that asyncio makes for every block that it receives."""


def give_memory_back() -> None:
    """Has glibc map large blocks one by one; elsewhere, does nothing.

    By itself it maps ever larger ones in its heap once it has seen one freed, and a heap shrinks
    from its end alone: one large picture would keep its memory for as long as the server runs.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _LARGE)
