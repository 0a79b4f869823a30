"""Limits of what is read, so that no input takes all memory: in bytes, since counts bound nothing.

With one worker, an input of at most 50 MB takes less than 400 MiB in all.
"""

from __future__ import annotations

from collections.abc import Callable

from mnist_edge.errors import ImageReadError

__all__ = ["LARGEST_DECODED", "LARGEST_FILE", "read_limited"]

LARGEST_FILE = 128 << 20
"""Bytes of a picture's file, of an archive's member (unpacked), and of stdin, at most."""

LARGEST_DECODED = 192 << 20
"""Bytes that the decoded pixels of one picture may take at most."""

_BLOCK = 65_536


def read_limited(read: Callable[[int], bytes | None], name: str) -> bytes:
    """Reads to the end of a file that may have none: a pipe, a device, an unpacked member.

    Args:
        read: returns at most as many bytes as it is asked for; nothing at the end.
        name: what the error calls it.

    Raises:
        ImageReadError: it goes on after `LARGEST_FILE` bytes.
    """
    blocks: list[bytes] = []
    size = 0
    while block := read(_BLOCK):
        blocks.append(block)
        size += len(block)
        if size > LARGEST_FILE:
            raise ImageReadError(f"{name}: larger than {LARGEST_FILE >> 20} MiB; not read")
    return b"".join(blocks)
