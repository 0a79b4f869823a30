"""JPEG 2000 at a lower resolution: a wavelet holds them all, and the highest takes much memory."""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from mnist_edge.inputs.limits import LARGEST_DECODED, LONGER_SIDE
from mnist_edge.inputs.memory import pixel_memory

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["lower_resolution"]

_SAMPLE_BYTES = 6
"""Bytes of a sample to OpenJPEG: a coefficient, and the tile that they become."""

_TILE_BYTES, _TILE_COMPONENT_BYTES = 9_000, 1_100
"""Bytes that OpenJPEG keeps of each tile, and of each of its components, however small: measured
with 2.5.4 on pictures of up to 65,535 tiles."""

_MOST_TILES = 65_535
"""Tiles that a picture may have (A.4.2); OpenJPEG refuses more before it allocates any."""

_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(.{32})(..)", re.DOTALL)
"""Start of a codestream (ISO 15444-1, A.5.1): sizes and offsets, and the number of components."""

_STYLE = re.compile(rb"\xff\x52.{7}(.)", re.DOTALL)
"""Coding style (A.6.1): the number of times that the resolution can be halved."""


def lower_resolution(image: Image.Image, content: bytes) -> tuple[int, int]:
    """Chooses the highest resolution that the limits allow; the picture is not loaded yet.

    Returns:
        bytes that the decoder needs beside the pixels, and how often height and width are halved.
    """
    headers = [_Header.of(found) for found in _SIZE.finditer(content)]
    coefficients = max((header.coefficients for header in headers), default=0)
    tiles = max((header.tiles for header in headers), default=0)
    styles = (_STYLE.search(content, header.end) for header in headers)
    levels = min((style[1][0] for style in styles if style is not None), default=0)
    times = 0
    while (
        tiles + ((coefficients + pixel_memory(image)) >> 2 * times) > LARGEST_DECODED - len(content)
        and times < levels
        and max(image.size) >> (times + 1) >= LONGER_SIDE
    ):
        times += 1
    if times:
        image.reduce = times  # type: ignore[method-assign, assignment]
    return tiles + (coefficients >> 2 * times), times


class _Header(NamedTuple):
    """What the start of a codestream says about memory.

    Attributes:
        end: position behind it in the file.
        coefficients: bytes of one tile's.
        tiles: bytes that are kept of all tiles, whatever the resolution.
    """

    end: int
    coefficients: int
    tiles: int

    @classmethod
    def of(cls, found: re.Match[bytes]) -> _Header:
        right, bottom, left, top, width, height, first_x, first_y = struct.unpack(">8I", found[1])
        (components,) = struct.unpack(">H", found[2])
        pixels = min(width, max(0, right - left)) * min(height, max(0, bottom - top))
        across = max(0, right - first_x) / max(1, width)
        down = max(0, bottom - first_y) / max(1, height)
        tiles = min(math.ceil(across) * math.ceil(down), _MOST_TILES)
        each = _TILE_BYTES + _TILE_COMPONENT_BYTES * components
        return cls(found.end(), pixels * components * _SAMPLE_BYTES, tiles * each)
