"""Checksums that fit the mutated bytes, so that a reader goes on to what they protect."""

from __future__ import annotations

import struct
import zlib

__all__ = ["repair"]

_PNG = b"\x89PNG\r\n\x1a\n"
_BLOCK, _CHECKSUM = 512, slice(148, 156)
_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def repair(content: bytes) -> bytes:
    """Corrects the checksums of PNG chunks, of zip members and of tar headers; others stay."""
    if content.startswith(_PNG):
        return _png(content)
    if _LOCAL in content[:64]:
        return _zip(content)
    if content[257:262] == b"ustar":
        return _tar(content)
    return content


def _png(content: bytes) -> bytes:
    repaired = bytearray(content)
    position = len(_PNG)
    while position + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, position)
        end = position + 8 + size
        if end + 4 > len(content):
            break
        struct.pack_into(">I", repaired, end, zlib.crc32(content[position + 4 : end]))
        position = end + 4
    return bytes(repaired)


def _tar(content: bytes) -> bytes:
    repaired = bytearray(content)
    for start in range(0, len(content) - _BLOCK + 1, _BLOCK):
        header = repaired[start : start + _BLOCK]
        if header[257:262] == b"ustar":
            header[_CHECKSUM] = b" " * 8
            header[_CHECKSUM] = b"%06o\0 " % sum(header)
            repaired[start : start + _BLOCK] = header
    return bytes(repaired)


def _zip(content: bytes) -> bytes:
    """The CRC of each member, as its header says where it is, here and in the directory."""
    repaired = bytearray(content)
    position = content.find(_CENTRAL)
    while 0 <= position <= len(content) - 46:
        (method,) = struct.unpack_from("<H", content, position + 10)
        (packed,) = struct.unpack_from("<I", content, position + 20)
        (start,) = struct.unpack_from("<I", content, position + 42)
        if start + 30 <= len(content) and content[start : start + 4] == _LOCAL:
            name, extra = struct.unpack_from("<HH", content, start + 26)
            begin = start + 30 + name + extra
            checksum = _checksum(content[begin : begin + packed], method)
            if checksum is not None:
                struct.pack_into("<I", repaired, position + 16, checksum)
                struct.pack_into("<I", repaired, start + 14, checksum)
        position = content.find(_CENTRAL, position + 4)
    return bytes(repaired)


def _checksum(packed: bytes, method: int) -> int | None:
    if method == 0:
        return zlib.crc32(packed)
    try:
        # No more of it than a mutation made by chance can hold.
        return zlib.crc32(zlib.decompressobj(-15).decompress(packed, 1 << 20))
    except zlib.error:
        return None
