"""Reads a file forward, unpacked (gzip, bzip2, xz) where it is packed, in bounded memory.

The readers of the standard library unpack without a limit, ignore what follows the packed data, and
seek an absurd offset for ever. Here a piece is unpacked at a time, sums are checked up to the last
byte of the file, and a file that unpacks to far more than its own size is refused.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.names import is_url

__all__ = [
    "BREAKS_OFF",
    "MEMORY_OF_XZ",
    "Decompressor",
    "ForwardReader",
    "Inflate",
    "Unpacked",
    "blocks_of",
    "open_forward",
    "unpack",
]

BREAKS_OFF = "damaged (breaks off)"
"""Why the rest of a file is missing."""

MEMORY_OF_XZ = 96 << 20
"""Bytes that unpacking xz and LZMA may take at most; ``xz -9`` needs 65 MiB."""

_BLOCK = 2_048
"""Packed bytes that are read at once: what a damaged block unpacks to is lost."""

_SUMS = 64
"""Bytes at the end of a file that are read one by one: there are the sums of what is before them,
which is unpacked before one of them is found to be wrong."""

_PIECE = 65_536
"""Bytes that are unpacked at once."""

_FREE, _RATIO = 256 << 20, 200
"""A file may unpack to so many bytes, or to so many times its size if that is more: pictures reach
hardly 10 times, zeros in gzip 1,000 times and in bzip2 20,000 times."""


class Decompressor(Protocol):
    """What the decompressors of `bz2` and `lzma` have in common."""

    @property
    def eof(self) -> bool:
        """Whether the packed data has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether all input is unpacked."""

    @property
    def unused_data(self) -> bytes:
        """What follows the packed data."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpacks at most `max_length` bytes."""


class Inflate:
    """`zlib` as a `Decompressor`.

    Args:
        bits: 31 = gzip, with its sums; -15 = bare, as in a zip archive.
    """

    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        """Whether the packed data has ended."""
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        """Whether all input is unpacked."""
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What follows the packed data."""
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        """Unpacks at most `max_length` bytes."""
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


class Unpacked:
    """How many bytes were packed and unpacked so far, with a limit on their ratio.

    Args:
        free: bytes that may be unpacked whatever the ratio; None = 256 MiB.
    """

    def __init__(self, free: int | None = None) -> None:
        self._free = _FREE if free is None else free
        self._packed = self._unpacked = 0

    def add(self, packed: int, unpacked: int) -> None:
        """Adds to both.

        Raises:
            ImageReadError: the file is a decompression bomb.
        """
        self._packed += packed
        self._unpacked += unpacked
        if self._unpacked > max(self._free, _RATIO * self._packed):
            raise ImageReadError(
                f"unpacks to more than {_RATIO} times its size, which is not safe to read"
            )


def blocks_of(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes of a file; fewer where it breaks off."""
    while block := file.read(min(_BLOCK, size)):
        yield block
        size -= len(block)


def _all_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a file up to its end, the last ones one by one."""
    block = b""
    while following := file.read(_BLOCK):
        if len(following) == _BLOCK and block:
            yield block
            block = b""
        block += following
    if len(block) > _SUMS:
        yield block[:-_SUMS]
    yield from (bytes([byte]) for byte in block[-_SUMS:])


def unpack(
    blocks: Iterator[bytes], decompressor: Callable[[], Decompressor], sizes: Unpacked
) -> Iterator[bytes]:
    """Unpacks streams that follow one another; zeros after a stream are padding.

    Args:
        blocks: the packed bytes.
        decompressor: makes a new one for each stream.
        sizes: what is unpacked is added to it.

    Raises:
        ImageReadError: the bytes break off, or are a decompression bomb.
        Exception: of the decompressor, where they are damaged.
    """
    block = next(blocks, b"")
    while block:
        stream = decompressor()
        while not stream.eof:
            piece = stream.decompress(block, _PIECE)
            sizes.add(len(block), len(piece))
            if piece:
                yield piece
            block = b""
            if stream.needs_input and not stream.eof:
                block = next(blocks, b"")
                if not block and not piece:
                    raise ImageReadError(BREAKS_OFF)
        block = stream.unused_data.lstrip(b"\0")
        while not block and (following := next(blocks, b"")):
            block = following.lstrip(b"\0")


class ForwardReader:
    """A file that is read from its beginning to its end, as `tarfile` and numpy need it.

    Args:
        file: to read.
        pieces: its unpacked bytes; None = it is not packed.

    Every method raises an ImageReadError where the file is damaged or not safe to read.
    """

    def __init__(self, file: IO[bytes], pieces: Iterator[bytes] | None = None) -> None:
        self._file = file
        self._pieces = pieces
        self._can_skip = pieces is None and file.seekable()
        self._buffer, self._start = b"", 0
        self._position = 0
        self._allowed = _PIECE

    def allow(self, size: int) -> None:
        """Sets how many bytes may be read before the next call; what is skipped does not count."""
        self._allowed = size

    @property
    def allowed(self) -> int:
        """How many bytes may still be read."""
        return self._allowed

    def tell(self) -> int:
        """The position in the unpacked file."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Reads `size` bytes, or fewer at the end of the file."""
        self._allowed -= size
        if size < 0 or self._allowed < 0:
            raise ImageReadError("damaged (a header is longer than is safe to read)")
        content = self._file.read(size) if self._pieces is None else self._unpacked(size)
        self._position += len(content)
        return content

    def seek(self, position: int) -> None:
        """Skips to a position, or to the end of the file."""
        missing = position - self._position
        if missing < 0:
            raise ImageReadError("damaged (a size in it is wrong)")
        if self._can_skip:
            end = os.fstat(self._file.fileno()).st_size
            self._file.seek(min(missing, max(0, end - self._position)), os.SEEK_CUR)
            self._position = min(position, end)
            return
        allowed, self._allowed = self._allowed, missing
        while self._allowed and self.read(min(self._allowed, _PIECE)):
            pass
        self._allowed = allowed

    def _unpacked(self, size: int) -> bytes:
        end = self._start + size
        if end > len(self._buffer):
            return self._gathered(size)
        content = self._buffer[self._start : end]
        self._start = end
        return content

    def _gathered(self, size: int) -> bytes:
        """Reads over the end of the buffer."""
        assert self._pieces is not None
        gathered = io.BytesIO()  # gives its bytes without a copy
        gathered.write(self._buffer[self._start :])
        self._buffer, self._start = b"", 0
        while missing := size - gathered.tell():
            piece = next(self._pieces, b"")
            if not piece:
                break
            gathered.write(piece[:missing])
            self._buffer, self._start = piece, min(missing, len(piece))
        return gathered.getvalue()


@contextlib.contextmanager
def open_forward(path: str, free: int | None = None) -> Iterator[ForwardReader]:
    """Opens a file for reading forward; how it is packed is known from its first bytes.

    Args:
        path: of the file, or its URL.
        free: see `Unpacked`.

    Raises:
        OSError: it cannot be opened.
        ImageReadError: what is at the URL cannot be opened.
    """
    with _opened(path) as file:
        decompressor = _decompressor(file.peek(10)[:10])
        if decompressor is None:
            yield ForwardReader(file)
        else:
            yield ForwardReader(file, unpack(_all_blocks(file), decompressor, Unpacked(free)))


def _opened(path: str) -> io.BufferedReader:
    if is_url(path):
        from mnist_edge.inputs.urls import open_forward_only

        return open_forward_only(path)
    return open(path, "rb")


def _decompressor(start: bytes) -> Callable[[], Decompressor] | None:
    """What unpacks a file with these first bytes; None = it is not packed."""
    if start.startswith(b"\x1f\x8b"):
        return lambda: Inflate(31)
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    # xz, and the older form without sums.
    if start.startswith((b"\xfd7zXZ", b"\x5d\x00\x00\x80")):
        return lambda: lzma.LZMADecompressor(memlimit=MEMORY_OF_XZ)
    return None
