"""Reads headers before Pillow does, and refuses those that would cost it far more than they are.

A few bytes may announce millions of tags, texts, or coefficients. Pillow reads all metadata with
the header; what does not change the picture is left out where it is large.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from mnist_edge.inputs.limits import LARGEST_METADATA

__all__ = ["Prepared", "prepare"]

_MOST_PARTS = 1 << 18
"""Chunks or segments that a file may have; each takes Pillow some microseconds."""

_MOST_TEXTS = 16
"""Compressed texts of a PNG that are kept; each may be a megabyte when it is unpacked."""

_LARGEST_TAGS = 32 << 20
"""Bytes that the tags of a TIFF may take as Python objects."""


class Prepared(NamedTuple):
    """What Pillow is given.

    Attributes:
        content: a whole file.
        buffered: bytes that its decoder keeps beside the pixels, whatever size it decodes to.
    """

    content: bytes
    buffered: int = 0


def prepare(content: bytes) -> Prepared:
    """Checks a file's header, and leaves out metadata that is too large.

    Raises:
        ValueError: opening it would take too much memory or time.
    """
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Prepared(_png(content))
    if content.startswith((b"II", b"MM")):
        _check_tags(content)
    elif content.startswith(b"\0\0\1\0"):
        return Prepared(content, _largest_icon(content))
    elif content[4:8] == b"ftyp":
        # AVIF: Pillow reads its EXIF, which lies anywhere in the file, when it is opened.
        for found in itertools.islice(_TIFF_START.finditer(content), _MOST_PARTS):
            _check_tags(content, found.start())
    return Prepared(content)


# JPEG


class _Segment(NamedTuple):
    marker: int
    start: int
    end: int


_MARKER = re.compile(rb"\xff+([^\xff])")
_SCAN, _APP_JFIF, _APP_EXIF, _APP_ADOBE, _COMMENT = 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0, 1, *range(0xD0, 0xDA), *range(0xF0, 0xFE)))


def _jpeg(content: bytes) -> Prepared:
    """Leaves out metadata that is large, and measures what a progressive JPEG needs (ITU-T T.81).

    Its coefficients are kept until its last scan was read: 2 bytes each, at full size.
    """
    segments = list(_segments(content))
    frame = scan = b""
    dropped: list[_Segment] = []
    exif = 0
    for segment in segments:
        marker = segment.marker
        if marker in _FRAMES:
            frame = frame or content[segment.start : segment.end]
        elif marker == _SCAN:
            scan = content[segment.start : segment.end]
        elif marker == _APP_EXIF and content.startswith(b"Exif\0\0", segment.start + 4):
            exif += 1
            if exif > 1:
                dropped.append(segment)
        elif marker == _COMMENT or (0xE0 < marker <= 0xEF and marker != _APP_ADOBE):
            dropped.append(segment)
    buffered = _coefficients(frame, scan)
    if sum(segment.end - segment.start for segment in dropped) <= LARGEST_METADATA:
        return Prepared(content, buffered)
    kept: list[bytes] = []
    position = 0
    for segment in dropped:
        kept.append(content[position : segment.start])
        position = segment.end
    return Prepared(b"".join((*kept, content[position:])), buffered)


def _segments(content: bytes) -> Iterator[_Segment]:
    """The segments up to the first scan."""
    position = 2
    for _ in range(_MOST_PARTS):
        found = _MARKER.search(content, position, position + LARGEST_METADATA)
        if found is None:
            raise ValueError("no marker found")
        marker = found[1][0]
        position = found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        end = position + max(2, int.from_bytes(content[position : position + 2]))
        yield _Segment(marker, found.end() - 2, end)
        if marker == _SCAN:
            return
        position = end
    raise ValueError("too many segments")


def _coefficients(frame: bytes, scan: bytes) -> int:
    """Bytes of the coefficients that are kept; 0 where all components come in one scan."""
    if len(frame) < 10 or len(scan) < 5 or len(frame) < 10 + 3 * frame[9]:
        return 0
    parts = frame[9]
    if frame[1] in (0xC0, 0xC1) and scan[4] >= parts:
        return 0
    height, width = struct.unpack_from(">HH", frame, 5)
    sampling = [(factors >> 4, factors & 15) for factors in frame[11 : 11 + 3 * parts : 3]]
    most_across = max(1, *(across for across, _ in sampling))
    most_down = max(1, *(down for _, down in sampling))
    planes = sum(across * down for across, down in sampling) / (most_across * most_down)
    return int(2 * planes * (width + 16) * (height + 16))


# PNG


_CHUNK = struct.Struct(">I4s")
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))


def _png(content: bytes) -> bytes:
    """Leaves out texts that are many or long: they may take 64 MB in a file of 64 KB."""
    position = 8
    texts: list[tuple[int, int]] = []
    for _ in range(_MOST_PARTS):
        if position + _CHUNK.size > len(content):
            break
        length, kind = _CHUNK.unpack_from(content, position)
        end = position + length + 12
        if kind in _TEXTS:
            texts.append((position, end))
        position = end
    else:
        raise ValueError("too many chunks")
    size = sum(end - start for start, end in texts)
    if len(texts) <= _MOST_TEXTS and size <= LARGEST_METADATA:
        return content
    ends = [8, *(end for _, end in texts)]
    starts = [*(start for start, _ in texts), len(content)]
    return b"".join(content[end:start] for end, start in zip(ends, starts, strict=True))


# TIFF, and EXIF, which has its form


_TIFF_START = re.compile(rb"II\*\0|MM\0\*")
_TYPE_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | {16: 8, 17: 8, 18: 8}
_BYTES, _FRACTIONS = frozenset((1, 2, 6, 7)), frozenset((5, 10))
_OFFSETS, _DIRECTORIES = frozenset((273, 324)), frozenset((34665, 34853, 40965))
"""Tags: places of the strips or tiles; places of the directories of EXIF, GPS, and their like."""

_MOST_TAGS = 4096


def _check_tags(content: bytes, base: int = 0) -> None:
    """Refuses directories whose values would take far more memory than the file (TIFF 6.0).

    A number of two bytes becomes a Python object of 36, a fraction one of 300, the place of a strip
    a description of 400.

    Args:
        content: with the header of a TIFF, or of EXIF, in it.
        base: place of that header.

    Raises:
        ValueError: they would.
    """
    order = "<" if content.startswith(b"II", base) else ">"
    is_big = 43 in content[base + 2 : base + 4]
    header = struct.Struct(order + ("4xxxxxQ" if is_big else "4xI"))
    directory = struct.Struct(order + ("Q" if is_big else "H"))
    entry = struct.Struct(order + ("HHQ" if is_big else "HHI"))
    inline = struct.Struct(order + ("Q" if is_big else "I"))
    try:
        waiting = [header.unpack_from(content, base)[0]]
        seen: set[int] = set()
        memory = size = 0
        while waiting:
            position = base + waiting.pop()
            if position in seen:
                continue
            seen.add(position)
            count = directory.unpack_from(content, position)[0]
            if count > _MOST_TAGS:
                raise ValueError(f"{count} tags")
            position += directory.size
            for _ in range(count):
                tag, kind, values = entry.unpack_from(content, position)
                length = values * _TYPE_SIZES.get(kind, 0)
                if length <= len(content) - base:
                    size += length
                    memory += _as_objects(tag, kind, values)
                if memory > _LARGEST_TAGS or size > 2 * len(content):
                    raise ValueError(f"tag {tag} has {values} values")
                if tag in _DIRECTORIES:
                    waiting.append(inline.unpack_from(content, position + entry.size)[0])
                position += entry.size + inline.size
    except struct.error:
        return  # breaks off: there is no more to read


def _as_objects(tag: int, kind: int, values: int) -> int:
    if kind in _BYTES:
        return 0
    return values * (400 if tag in _OFFSETS else 300 if kind in _FRACTIONS else 36)


# ICO


def _largest_icon(content: bytes) -> int:
    """Bytes that the largest picture in an icon needs: Pillow decodes it when it opens the file."""
    count = int.from_bytes(content[4:6], "little")
    largest = 0
    for number in range(count):
        place = content[18 + 16 * number : 22 + 16 * number]
        start = int.from_bytes(place, "little")
        if content.startswith(b"\x89PNG", start):
            width, height = (
                int.from_bytes(content[start + at : start + at + 4]) for at in (16, 20)
            )
        else:
            width, height = (
                abs(int.from_bytes(content[start + at : start + at + 4], "little", signed=True))
                for at in (4, 8)
            )
        largest = max(largest, 12 * width * height)
    return largest
