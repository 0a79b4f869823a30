"""Limits of what is read, so that no input takes all memory: in bytes, since counts bound nothing.

With one worker, an input of at most 50 MB takes less than 400 MiB in all.
"""

from __future__ import annotations

from collections.abc import Callable

from mnist_edge.errors import ImageReadError

__all__ = [
    "LARGEST_AREA",
    "LARGEST_DECODED",
    "LARGEST_FILE",
    "LARGEST_METADATA",
    "LONGER_SIDE",
    "read_limited",
]

LARGEST_FILE = 128 << 20
"""Bytes of a picture's file, of an archive's member (unpacked), and of stdin, at most."""

LARGEST_DECODED = 288 << 20
"""Bytes that decoding one picture may take at most: its file, its pixels, and what the decoder of
its format needs beside them. The program itself takes some 70 MiB."""

LARGEST_AREA = 80_000_000
"""Pixels that are decoded at most, which takes seconds. A JPEG may have 64 times as many: it is
decoded at a fraction of its size."""

LARGEST_METADATA = 1 << 20
"""Bytes of metadata that are worth keeping: an orientation is among the first few thousand."""

LONGER_SIDE = 480
"""Pixels that are kept along the longer side at least, where there are as many. A digit filling 1 %
of the page is still some 40 of them high, and a photograph of 12 megapixels can be decoded at an
eighth of its size."""

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
            raise ImageReadError(
                f"{name}: larger than {LARGEST_FILE >> 20} MiB; scale it down or compress it"
            )
    return b"".join(blocks)
