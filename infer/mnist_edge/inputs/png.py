"""Small grey PNGs, as data sets are made of, without the machinery for everything else.

Opening a file of a few hundred bytes costs Pillow several times what decoding it does. Here the
chunks are walked in place and Pillow's decoder is given the data (PNG specification, third
edition, W3C 2025, https://www.w3.org/TR/png-3/). Whatever is not of the plainest kind is left to
Pillow as a whole.
"""

from __future__ import annotations

import struct
import zlib

from PIL import _imaging

__all__ = ["plain_pixels"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4sIIBBBBBI")
_CHUNK = struct.Struct(">I4s")
_DATA_START = len(_SIGNATURE) + _HEADER.size
_LARGEST_SIDE = 256
_PLAIN = (13, b"IHDR")
_EIGHT_BIT_GREY = (8, 0, 0, 0, 0)
"""Bit depth, colour type, compression, filter and interlace method."""

_HARMLESS = frozenset((b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"bKGD"))
"""Chunks that change neither pixels nor orientation, to Pillow."""


def plain_pixels(content: bytes) -> tuple[int, int, bytes] | None:
    """Height, width and pixels, row by row, of an 8-bit grey PNG of up to 256 x 256 pixels.

    None where it is anything else, says anything more of itself, or is damaged.
    """
    if not content.startswith(_SIGNATURE) or len(content) < _DATA_START:
        return None
    length, kind, width, height, *form, checksum = _HEADER.unpack_from(content, len(_SIGNATURE))
    if (
        (length, kind) != _PLAIN
        or tuple(form) != _EIGHT_BIT_GREY
        or not 0 < width <= _LARGEST_SIDE
        or not 0 < height <= _LARGEST_SIDE
        or zlib.crc32(content[12:29]) != checksum
    ):
        return None
    data = _image_data(content)
    if data is None:
        return None
    pixels = _decompressed(data, width, height)
    return None if pixels is None else (height, width, pixels)


def _decompressed(data: bytes, width: int, height: int) -> bytes | None:
    """Pixels of the image data, by Pillow's own decoder; None where they are damaged.

    `PIL.Image.frombytes` does the same with some objects in between, which take longer than the
    pixels of so small a picture.
    """
    box = (0, 0, width, height)
    pixels = _imaging.new("L", (width, height))
    decoder = _imaging.zip_decoder("L", "L", 0)
    decoder.setimage(pixels, box)
    missing, failed = decoder.decode(data)
    if missing >= 0 or failed:
        return None
    encoder = _imaging.raw_encoder("L", "L", 0, 1)
    encoder.setimage(pixels, box)
    _, _, content = encoder.encode(width * height)
    return bytes(content)


def _image_data(content: bytes) -> bytes | None:
    """What the IDAT chunks hold, where nothing else matters and all is intact."""
    parts: list[bytes] = []
    position = _DATA_START
    while True:
        if position + 12 > len(content):
            return None
        length, kind = _CHUNK.unpack_from(content, position)
        if kind == b"IEND":
            return b"".join(parts) or None
        end = position + 8 + length
        checksum = zlib.crc32(content[position + 4 : end]).to_bytes(4)
        if content[end : end + 4] != checksum:
            return None
        if kind == b"IDAT":
            parts.append(content[position + 8 : end])
        elif kind not in _HARMLESS:
            return None
        position = end + 4
