"""Small gray PNGs, as data sets are made of, without the machinery for everything else.

Opening a file of a few hundred bytes costs Pillow several times what decoding it does: with this
module, 10,000 of them are predicted in two thirds of the time (see ``docs/optimisations.md``). The
chunks are walked in place and Pillow's decoder is given the data (PNG specification, third edition,
W3C 2025, https://www.w3.org/TR/png-3/). A file that is not of the plainest kind is left to Pillow
as a whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import PIL

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["decode_small_png", "small_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4sIIBBBBBI")
_CHUNK = struct.Struct(">I4s")
_DATA_START = len(_SIGNATURE) + _HEADER.size
_LARGEST_SIDE = 256
_PLAIN = (13, b"IHDR")
_EIGHT_BIT_GRAY = (8, 0, 0, 0, 0)
"""Bit depth, colour type, compression, filter and interlace method."""

_HARMLESS = frozenset((b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"bKGD"))
"""Chunks that change neither pixels nor orientation, to Pillow."""

_PILLOW_VERSIONS = range(11, 14)
"""Major versions whose private decoder was tested; others are called by their public function."""


def decode_small_png(content: bytes) -> npt.NDArray[np.uint8] | None:
    """Pixels uint8 ``[H, W]``; None where `small_png` has none."""
    picture = small_png(content)
    if picture is None:
        return None
    import numpy as np  # `small_png` is also called before numpy is imported

    height, width, pixels = picture
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def small_png(content: bytes) -> tuple[int, int, bytes] | None:
    """Height, width and pixels, row by row, of an 8-bit gray PNG of up to 256 x 256 pixels.

    Returns:
        None where it is anything else, says anything more of itself, or is damaged.
    """
    if not content.startswith(_SIGNATURE) or len(content) < _DATA_START:
        return None
    length, kind, width, height, *form, checksum = _HEADER.unpack_from(content, len(_SIGNATURE))
    if (
        (length, kind) != _PLAIN
        or tuple(form) != _EIGHT_BIT_GRAY
        or not 0 < width <= _LARGEST_SIDE
        or not 0 < height <= _LARGEST_SIDE
        or zlib.crc32(content[12:29]) != checksum
    ):
        return None
    data = _image_data(content)
    if data is None:
        return None
    pixels = _decompress(data, width, height)
    return None if pixels is None else (height, width, pixels)


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


def _decompress_publicly(data: bytes, width: int, height: int) -> bytes | None:
    """Pixels of the image data; None where they are damaged."""
    from PIL import Image

    try:
        return Image.frombytes("L", (width, height), data, "zip", "L", 0).tobytes()
    except (ValueError, OSError):
        return None


def _decompressor() -> Callable[[bytes, int, int], bytes | None]:
    """Pillow's own decoder, which `Image.frombytes` calls with some objects in between.

    Those take longer than the pixels of so small a picture.
    """
    if int(PIL.__version__.split(".")[0]) not in _PILLOW_VERSIONS:
        return _decompress_publicly
    try:
        from PIL import _imaging

        make, zip_decoder, raw_encoder = _imaging.new, _imaging.zip_decoder, _imaging.raw_encoder
    except (ImportError, AttributeError):
        return _decompress_publicly

    def decompress(data: bytes, width: int, height: int) -> bytes | None:
        box = (0, 0, width, height)
        pixels = make("L", (width, height))
        decoder = zip_decoder("L", "L", 0)
        decoder.setimage(pixels, box)
        missing, failed = decoder.decode(data)
        if missing >= 0 or failed:
            return None
        encoder = raw_encoder("L", "L", 0, 1)
        encoder.setimage(pixels, box)
        _, _, content = encoder.encode(width * height)
        return bytes(content)

    return decompress


_decompress = _decompressor()
