"""How much memory a picture takes while it is decoded, from its header.

The figures for each format were measured with Pillow 13, as bytes per pixel at the peak of `load`;
they are rounded up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.limits import LARGEST_AREA, LARGEST_DECODED

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["check_area", "check_memory", "decoding_memory", "pixel_memory"]

_MODE_BYTES = {"1": 1, "L": 1, "P": 1}
"""Bytes of a pixel to Pillow, where they are not 2 (16 bits) or 4 (all others)."""

_ROW_ALIGNMENT, _ROW_POINTER = 4, 8
"""Bytes that a row is filled up to a multiple of, and that its address takes."""

_DECODER_BYTES = {"WEBP": 12, "AVIF": 16, "HEIF": 6, "ICO": 12}
"""Bytes per pixel that the decoder of a format keeps beside the pixels: WebP two canvases and a
copy, AVIF planes of 16 bits and two copies, HEIF its planes."""

_PYTHON_DECODERS = {"ppm": 4, "ppm_plain": 8, "bmp_rle": 2}
"""Bytes per pixel of those that are written in Python."""

_STREAMED = frozenset(("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "group3", "group4"))
"""Compressions of TIFF that need no more than the strip or tile that they fill."""

_STRIP_BYTES = 8
"""Bytes per pixel of a strip or tile that the others need."""

_WIDTH, _BITS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP = 256, 258, 274, 277, 278
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
"""Tags of TIFF."""


def check_memory(needed: int, name: str, size: tuple[int, int] | None = None) -> None:
    """Refuses a picture that takes more memory than `LARGEST_DECODED`.

    Args:
        needed: bytes.
        name: what the error calls it.
        size: width and height, pixels, where they are known.

    Raises:
        ImageReadError: it does.
    """
    if needed > LARGEST_DECODED:
        pixels = "" if size is None else f"{size[0]} x {size[1]} pixels; "
        raise ImageReadError(
            f"{name}: {pixels}it would take {needed >> 20} MiB to decode, more than the limit of "
            f"{LARGEST_DECODED >> 20} MiB; scale it down first"
        )


def check_area(size: tuple[int, int], name: str) -> None:
    """Refuses a picture of more than `LARGEST_AREA`, or of no pixels.

    Raises:
        ImageReadError: it is one.
    """
    if 0 in size:
        raise ImageReadError(f"{name}: a picture without pixels")
    if size[0] * size[1] > LARGEST_AREA:
        raise ImageReadError(
            f"{name}: {size[0]} x {size[1]} pixels, more than the limit of "
            f"{LARGEST_AREA // 1_000_000} megapixels; scale it down first"
        )


def pixel_memory(image: Image.Image) -> int:
    """Bytes of the pixels of a picture of this mode and size, and of the addresses of its rows."""
    two = 2 if image.mode.startswith("I;16") else 4
    row = image.width * _MODE_BYTES.get(image.mode, two)
    return image.height * (-(-row // _ROW_ALIGNMENT) * _ROW_ALIGNMENT + _ROW_POINTER)


def decoding_memory(image: Image.Image) -> int:
    """Bytes that a decoder keeps beside the pixels and the file."""
    pixels = image.width * image.height
    if image.format == "TIFF":
        return _tiff_memory(image)
    tiles = getattr(image, "tile", None)
    codec = tiles[0][0] if tiles else ""
    each = _DECODER_BYTES.get(image.format or "", 0) + _PYTHON_DECODERS.get(codec, 0)
    return pixels * each


def _tiff_memory(image: Image.Image) -> int:
    """Bytes of the largest strip or tile, and of a copy of the picture where it must be turned."""
    tags = getattr(image, "tag_v2", {})
    longer = max(image.size)  # of a side that is not given, which may be either when it is turned
    rows = tags.get(_TILE_HEIGHT, min(tags.get(_ROWS_PER_STRIP, longer), longer))
    area = int(tags.get(_TILE_WIDTH, tags.get(_WIDTH, longer)) * rows)
    bits = max(tags.get(_BITS, (8,))) * tags.get(_SAMPLES, 1)
    compression = image.info.get("compression", "raw")
    each = 0 if compression == "raw" else max(4, int(bits) // 8)
    each += 0 if compression in _STREAMED else _STRIP_BYTES
    return area * each + (pixel_memory(image) if tags.get(_ORIENTATION, 1) != 1 else 0)
