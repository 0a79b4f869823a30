"""JPEG 2000 at a lower resolution: a wavelet holds them all, and the highest takes much memory."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from mnist_edge.inputs.limits import LARGEST_DECODED, LONGER_SIDE
from mnist_edge.inputs.memory import pixel_memory

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["lower_resolution"]

_SAMPLE_BYTES = 6
"""Bytes of a sample to OpenJPEG: a coefficient, and the tile that they become."""

_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(.{32})(..)", re.DOTALL)
"""Start of a codestream (ISO 15444-1, A.5.1): sizes and offsets, and the number of components."""

_STYLE = re.compile(rb"\xff\x52.{7}(.)", re.DOTALL)
"""Coding style (A.6.1): the number of times that the resolution can be halved."""


def lower_resolution(image: Image.Image, content: bytes) -> tuple[int, int]:
    """Chooses the highest resolution that the limits allow; the picture is not loaded yet.

    Returns:
        bytes that the decoder needs beside the pixels, and how often height and width are halved.
    """
    headers = list(_SIZE.finditer(content))
    needed = max(map(_tile_memory, headers), default=0)
    styles = (_STYLE.search(content, header.end()) for header in headers)
    levels = min((style[1][0] for style in styles if style is not None), default=0)
    times = 0
    while (
        (needed + pixel_memory(image)) >> 2 * times > LARGEST_DECODED - len(content)
        and times < levels
        and max(image.size) >> (times + 1) >= LONGER_SIDE
    ):
        times += 1
    if times:
        image.reduce = times  # type: ignore[method-assign, assignment]
    return needed >> 2 * times, times


def _tile_memory(found: re.Match[bytes]) -> int:
    right, bottom, left, top, width, height, _, _ = struct.unpack(">8I", found[1])
    (components,) = struct.unpack(">H", found[2])
    pixels = min(width, max(0, right - left)) * min(height, max(0, bottom - top))
    return int(pixels * components * _SAMPLE_BYTES)
