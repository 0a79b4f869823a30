"""Zip archives -> the pictures in them, in bounded memory.

`zipfile` keeps a kilobyte for each of a million members, unpacks without a limit, and gives up the
whole archive for one odd member or a missing end. Here members are read one after the other, and an
archive that breaks off gives those before the break. The format is PKWARE's APPNOTE 6.3.10.
"""

from __future__ import annotations

import bz2
import io
import itertools
import lzma
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.limits import LARGEST_FILE
from mnist_edge.inputs.members import Entry, base_name, too_large, unreadable
from mnist_edge.inputs.unpack import (
    BREAKS_OFF,
    MEMORY_OF_XZ,
    Decompressor,
    Inflate,
    Unpacked,
    blocks_of,
    unpack,
)

__all__ = ["read_zip"]

_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_LOCATOR_64, _END_64 = b"PK\6\7", b"PK\6\6"

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
_END_RECORD = struct.Struct("<4s4H2LH")
_LOCATOR_64_SIZE = 20
_END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")

_LONGEST_COMMENT = 0xFFFF
_UNKNOWN = 0xFFFFFFFF
"""A 32-bit field whose value is in the extra fields, in 64 bits."""

_AT_A_TIME = 1 << 18
"""Bytes of the directory that are read at once; a record of it has up to 196,651."""

_ENCRYPTED, _END_MARK, _SIZES_FOLLOW, _UTF_8 = 1, 2, 8, 0x800
"""Flags of a member."""

_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
_NEWEST = 63
"""Version of the format, times 10, that a member may need."""

_EXTRA_64, _EXTRA_NAME = 1, 0x7075

_OVERLAP = 2
"""The members may be so many times as long as the archive: in a bomb, thousands share their data.
"""


class _Member(NamedTuple):
    """What a header says of a member.

    Attributes:
        name: in the archive; `raw_name` as bytes.
        needed: version of the format, times 10.
        crc: of the unpacked content.
        packed, size: bytes, packed and unpacked.
        offset: of the local header.
    """

    name: str
    raw_name: bytes
    needed: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


class _Directory(NamedTuple):
    """Where the central directory is.

    Attributes:
        start, size: bytes.
        members: how many; above 65,535, some programs write the last 16 bits alone.
        shift: bytes before the archive, such as a program that unpacks it.
        after: bytes after the archive.
    """

    start: int
    size: int
    members: int
    shift: int
    after: int


def read_zip(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in a zip archive, in the order of its directory; names are ``ARCHIVE/MEMBER``.

    Args:
        path: of the archive.
        is_wanted: whether a file of that name is taken.

    Raises:
        Exception: of any class, where the archive is damaged or cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        directory = _find_directory(file, size)
        members = _members_before_break(file) if directory is None else _members(file, directory)
        sizes, unread = Unpacked(), _OVERLAP * size
        for member in members:
            if member.name.endswith("/") or not is_wanted(base_name(member.name)):
                continue
            name = f"{path}/{member.name}"
            if member.size > LARGEST_FILE:
                yield too_large(name, member.size)
                continue
            try:
                if member.offset + member.packed > size:
                    raise ImageReadError(BREAKS_OFF)
                unread -= member.packed
                if unread < 0:
                    raise ImageReadError("damaged (it overlaps other members)")
                yield name, _content(file, member, sizes), None
            except Exception as error:  # of a decompressor; the next member may be whole
                yield unreadable(name, error)


def _find_directory(file: IO[bytes], size: int) -> _Directory | None:
    """Reads the record at the end of an archive; None where there is none."""
    start = max(0, size - _END_RECORD.size - _LONGEST_COMMENT)
    file.seek(start)
    found = file.read().rfind(_END)
    if found < 0 or size - (start + found) < _END_RECORD.size:
        return None
    end = start + found
    file.seek(end)
    _, *_, count, length, offset, comment = _END_RECORD.unpack(file.read(_END_RECORD.size))
    after = max(0, size - end - _END_RECORD.size - comment)
    before = _LOCATOR_64_SIZE + _END_RECORD_64.size
    if end >= before:
        file.seek(end - before)
        record = file.read(before)
        if record.startswith(_END_64) and record[-_LOCATOR_64_SIZE:].startswith(_LOCATOR_64):
            *_, count, length, offset = _END_RECORD_64.unpack_from(record)
            end -= before
    if offset + length > end:
        raise ImageReadError("damaged (its directory is said to be where it cannot be)")
    return _Directory(end - length, length, count, end - length - offset, after)


def _members(file: IO[bytes], directory: _Directory) -> Iterator[_Member]:
    """Members in the order of the directory; raises where it is damaged, or not the end."""
    position, left = directory.start, directory.size
    block, start, count = b"", 0, 0
    while left or start < len(block):
        if len(block) - start < _AT_A_TIME and left:
            # Members are read in between.
            file.seek(position)
            following = file.read(min(left, _AT_A_TIME))
            position += len(following)
            left = left - len(following) if following else 0
            block, start = block[start:] + following, 0
        if len(block) - start < _CENTRAL_HEADER.size or not block.startswith(_CENTRAL, start):
            raise ImageReadError(f"damaged (its directory, after {count} members)")
        member, start = _member(block, start, directory.shift)
        if start > len(block):
            raise ImageReadError(f"damaged (its directory, after {count} members)")
        yield member
        count += 1
    if count & 0xFFFF != directory.members & 0xFFFF:
        raise ImageReadError(f"damaged ({count} members where it should have {directory.members})")
    if directory.after:
        raise ImageReadError(f"damaged ({directory.after} bytes after the end of the archive)")


def _member(block: bytes, start: int, shift: int) -> tuple[_Member, int]:
    """Parses a record of the directory: the member, and where the next record starts."""
    fields = _CENTRAL_HEADER.unpack_from(block, start)
    _, _, needed, flags, method, _, _, crc, packed, size, *lengths, _, _, _, offset = fields
    start += _CENTRAL_HEADER.size
    name_end = start + lengths[0]
    raw_name, extra = block[start:name_end], block[name_end : name_end + lengths[1]]
    name = _decoded(raw_name, flags)
    for kind, value in _extra_fields(extra):
        if kind == _EXTRA_64:
            wide = iter(struct.unpack(f"<{len(value) // 8}Q", value[: len(value) // 8 * 8]))
            size, packed, offset = (
                next(wide, number) if number == _UNKNOWN else number
                for number in (size, packed, offset)
            )
        elif kind == _EXTRA_NAME and value[:5] == struct.pack("<BL", 1, zlib.crc32(raw_name)):
            name = value[5:].decode("utf-8", "surrogateescape") or name
    member = _Member(name, raw_name, needed, flags, method, crc, packed, size, offset + shift)
    return member, name_end + lengths[1] + lengths[2]


def _members_before_break(file: IO[bytes]) -> Iterator[_Member]:
    """Members of an archive without an end, from their local headers; then raises."""
    position = 0
    while True:
        file.seek(position)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL):
            break
        _, needed, flags, method, _, _, crc, packed, size, *lengths = _LOCAL_HEADER.unpack(header)
        raw_name = file.read(lengths[0])
        following = position + _LOCAL_HEADER.size + sum(lengths) + packed
        if flags & _SIZES_FOLLOW or file.seek(0, os.SEEK_END) < following:
            break
        name = _decoded(raw_name, flags)
        yield _Member(name, raw_name, needed, flags, method, crc, packed, size, position)
        position = following
    raise ImageReadError("damaged (its end is missing)" if position else "damaged (no zip archive)")


def _decoded(name: bytes, flags: int) -> str:
    if flags & _UTF_8:
        return name.decode("utf-8", "surrogateescape")
    return name.decode("cp437")


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, start)
        yield kind, extra[start + 4 : start + 4 + length]
        start += 4 + length


def _content(file: IO[bytes], member: _Member, sizes: Unpacked) -> bytes:
    """Unpacks a member.

    Raises:
        Exception: of any class, where it cannot be unpacked.
    """
    if member.flags & _ENCRYPTED:
        raise ImageReadError("cannot be unpacked (encrypted)")
    if member.needed & 0xFF > _NEWEST:
        raise ImageReadError(f"cannot be unpacked (version {(member.needed & 0xFF) / 10} of zip)")
    file.seek(member.offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL):
        raise ImageReadError("damaged (no header where its directory says)")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    if file.read(name_length) != member.raw_name:
        raise ImageReadError("damaged (its directory has another name)")
    file.seek(extra_length, os.SEEK_CUR)
    content = _unpacked(file, member, sizes)
    if len(content) != member.size:
        raise ImageReadError(BREAKS_OFF)
    if zlib.crc32(content) != member.crc:
        raise ImageReadError("damaged (wrong CRC-32)")
    return content


def _unpacked(file: IO[bytes], member: _Member, sizes: Unpacked) -> bytes:
    if member.method == _STORED:
        return file.read(member.packed) if member.packed == member.size else b""
    if member.size == 0:
        return b""
    blocks = blocks_of(file, member.packed)
    decompressor: Callable[[], Decompressor]
    if member.method == _DEFLATED:
        decompressor = _inflate
    elif member.method == _BZIP2:
        decompressor = bz2.BZ2Decompressor
    elif member.method == _LZMA:
        decompressor = _lzma
        rest = blocks_of(file, max(0, member.packed - 9))
        blocks = itertools.chain([_lzma_header(file, member)], rest)
    else:
        raise ImageReadError(f"cannot be unpacked (method {member.method})")
    gathered = io.BytesIO()  # gives its bytes without a copy
    for piece in unpack(blocks, decompressor, sizes):
        gathered.write(piece)
        if gathered.tell() > member.size:
            raise ImageReadError("damaged (longer than its header says)")
    return gathered.getvalue()


def _inflate() -> Inflate:
    return Inflate(-15)


def _lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MEMORY_OF_XZ)


def _lzma_header(file: IO[bytes], member: _Member) -> bytes:
    """The header that makes it an ``.lzma`` file, which can be read with a memory limit."""
    properties = file.read(9)[4:]
    has_end_mark = member.flags & _END_MARK
    return properties + (b"\xff" * 8 if has_end_mark else struct.pack("<Q", member.size))
