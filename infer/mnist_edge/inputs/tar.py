"""Tar archives -> the pictures in them, in bounded memory.

`tarfile` parses the headers. By itself it takes a damaged header for the end of the archive, reads
headers of any length, and does not ask whether the archive ends as it should.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.limits import LARGEST_FILE
from mnist_edge.inputs.members import Entry, base_name, too_large, unreadable
from mnist_edge.inputs.unpack import BREAKS_OFF, ForwardReader, open_forward

__all__ = ["read_tar"]

_BLOCK = tarfile.BLOCKSIZE

_LONGEST_HEADER = 1 << 20
"""Bytes that the headers of a member may have: names and extended attributes."""

_LONGEST_MAP = 8_192
"""Bytes that the headers of a sparse file may have: `tarfile` takes long for one of many holes."""

_LONGEST_PADDING = 16 << 20
"""Bytes of zeros that may follow the end: a tape's record. More are an unfinished download's."""


class _DamagedHeaderError(ImageReadError):
    """A block where a header should be is none; another may follow."""


class _Member(tarfile.TarInfo):
    """A member whose header was checked: only zeros are the end of an archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """Parses a block of 512 bytes."""
        if len(buf) < _BLOCK:
            raise ImageReadError(BREAKS_OFF)
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):
                raise
            raise _DamagedHeaderError(str(error)) from error


def read_tar(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in a tar archive, packed or not; names are ``ARCHIVE/MEMBER``.

    Args:
        path: of the archive.
        is_wanted: whether a file of that name is taken.

    Raises:
        Exception: of any class, where the archive is damaged or cannot be read.
    """
    with open_forward(path) as reader:
        reader.allow(_LONGEST_HEADER)
        archive = tarfile.TarFile(fileobj=reader, tarinfo=_Member)  # type: ignore[arg-type]
        is_lost = False
        while True:
            reader.allow(_LONGEST_HEADER)
            try:
                member = archive.next()
            except _DamagedHeaderError as error:
                # As GNU tar does: a later block may be a header again.
                if not is_lost:
                    where = f"{error} at byte {archive.offset}"
                    yield unreadable(path, ImageReadError(f"damaged (header: {where})"))
                is_lost = True
                archive.offset += _BLOCK
                continue
            if member is None:
                break
            is_lost = False
            # The archive remembers all that it has shown; a million members are too many.
            archive.members = []  # type: ignore[attr-defined]
            _check(archive, member)
            if member.isfile() and is_wanted(base_name(member.name)):
                yield _entry(f"{path}/{member.name}", archive, member, reader)
        _check_end(reader)


def _check(archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Raises where a header is out of bounds."""
    if member.size < 0:
        raise ImageReadError("damaged (a size in it is negative)")
    # Global headers add to one another.
    if sum(len(key) + len(value) for key, value in archive.pax_headers.items()) > _LONGEST_HEADER:
        raise ImageReadError("damaged (its global headers are longer than is safe to read)")


def _entry(
    name: str, archive: tarfile.TarFile, member: tarfile.TarInfo, reader: ForwardReader
) -> Entry:
    if member.size > LARGEST_FILE:
        return too_large(name, member.size)
    if not member.issparse():
        reader.seek(member.offset_data)
        reader.allow(member.size)
        content = reader.read(member.size)
        if len(content) < member.size:
            raise ImageReadError(BREAKS_OFF)
        return name, content, None
    if _LONGEST_HEADER - reader.allowed > _LONGEST_MAP:
        return unreadable(name, ImageReadError("a sparse file of too many holes"))
    reader.allow(member.size)
    file = archive.extractfile(member)
    return name, file.read() if file is not None else b"", None


def _check_end(reader: ForwardReader) -> None:
    """Raises where an archive, after a block of zeros, does not end with another and padding."""
    reader.allow(_LONGEST_PADDING + io.DEFAULT_BUFFER_SIZE)
    end = reader.read(_BLOCK)
    if len(end) < _BLOCK:
        raise ImageReadError(BREAKS_OFF)
    while end:
        if any(end):
            raise ImageReadError("damaged (data after the end of the archive)")
        if reader.allowed < io.DEFAULT_BUFFER_SIZE:
            raise ImageReadError("damaged (zeros in place of data)")
        end = reader.read(io.DEFAULT_BUFFER_SIZE)
