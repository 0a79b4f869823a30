"""Seeds: small pictures in every format and mode that can be written here."""

from __future__ import annotations

import functools
import io
import itertools
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.conftest import SAMPLES
from tests.fuzz.seeds import Seed

__all__ = ["digit", "picture_seeds", "png"]

_SIZES = ((28, 28), (9, 8), (40, 64))

_TIFF = (
    "raw",
    "tiff_lzw",
    "tiff_adobe_deflate",
    "tiff_deflate",
    "packbits",
    "jpeg",
    "lzma",
    "zstd",
)

_PLAIN = [
    *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")),
    *(("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("DIB", mode) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("GIF", mode) for mode in ("1", "L", "P", "RGB")),
    *(("PPM", mode) for mode in ("1", "L", "I", "I;16", "RGB", "F")),
    *(("PCX", mode) for mode in ("1", "L", "P", "RGB")),
    *(("TGA", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
    *(("TIFF", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")),
    *(("TIFF", mode) for mode in ("I", "I;16", "I;16B", "F")),
    *(("JPEG", mode) for mode in ("1", "L", "RGB", "CMYK", "YCbCr")),
    *(("WEBP", mode) for mode in ("L", "RGB", "RGBA")),
    *(("JPEG2000", mode) for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
    *(("AVIF", mode) for mode in ("L", "RGB", "RGBA")),
    *(("ICO", mode) for mode in ("L", "RGB", "RGBA")),
    *(("XBM", mode) for mode in ("1",)),
    # Formats that Pillow can also read; whether they are allowed is for the reader to say.
    *(("SGI", mode) for mode in ("L", "RGB", "RGBA")),
    *((kind, "RGB") for kind in ("IM", "DDS", "QOI", "EPS", "SPIDER", "MPO")),
    *((("MSP", "1"), ("BLP", "P"), ("PDF", "L"))),
]

_VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    *(("TIFF", "L", {"compression": name}) for name in _TIFF),
    *(("TIFF", "1", {"compression": name}) for name in ("group3", "group4", "packbits")),
    *(("TIFF", "RGB", {"compression": name}) for name in ("jpeg", "tiff_lzw")),
    *(("TIFF", "I;16", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate")),
    ("TIFF", "F", {"compression": "tiff_lzw"}),
    ("TIFF", "L", {"big_tiff": True}),
    ("TIFF", "LAB", {"compression": "raw"}),
    ("TIFF", "L", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    ("TIFF", "RGB", {"compression": "tiff_adobe_deflate", "strip_size": 64}),
    ("TIFF", "L", {"compression": "tiff_lzw", "strip_size": 28}),
    *(("JPEG", mode, {"progressive": True}) for mode in ("L", "RGB", "CMYK")),
    ("JPEG", "L", {"restart_marker_rows": 1, "quality": 100}),
    ("JPEG", "RGB", {"subsampling": 0, "comment": b"a comment"}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    *(("JPEG2000", "L", {"irreversible": kind, "tile_size": (16, 16)}) for kind in (True, False)),
    ("JPEG2000", "L", {"no_jp2": True}),
    ("TGA", "RGB", {"compression": "tga_rle"}),
    ("GIF", "P", {"transparency": 0, "interlace": True}),
    ("PNG", "L", {"transparency": 0}),
    ("PNG", "RGB", {"transparency": (0, 0, 0)}),
    ("PNG", "P", {"transparency": b"\x00\x80\xff"}),
    ("PNG", "P", {"bits": 2}),
    ("PNG", "L", {"compress_level": 0}),
    ("PNG", "L", {"dpi": (300, 300), "icc_profile": b"not a profile"}),
    ("ICO", "RGBA", {"bitmap_format": "bmp", "sizes": [(16, 16), (28, 28)]}),
]

_ORIENTATION = 0x0112


@functools.cache
def digit(width: int = 28, height: int = 28) -> npt.NDArray[np.uint8]:
    """A seven, light on black; in 28 x 28 bit for bit as MNIST has it."""
    with Image.open(SAMPLES / "7-mnist.png") as image:
        return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))


@functools.cache
def picture_seeds() -> tuple[Seed, ...]:
    """All seeds; the same in every process with the same version of Pillow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(itertools.chain(_saved(), _animated(), _upright(), _made(), _heif(), _odd()))


def _image(mode: str, size: tuple[int, int]) -> Image.Image:
    pixels = digit(*size)
    if mode in ("I;16", "I;16B"):
        wide = pixels.astype(np.uint16) * 257
        return Image.fromarray(wide if mode == "I;16" else wide.astype(">u2"))
    if mode == "F":
        return Image.fromarray(pixels.astype(np.float32) / 255)
    if mode == "I":
        return Image.fromarray(pixels.astype(np.int32) * 100)
    image = Image.fromarray(pixels)
    if mode == "LAB":
        return Image.merge("LAB", (image, image, image))
    return (
        image.convert("RGB").convert(mode)
        if mode in ("CMYK", "YCbCr", "P")
        else (image.convert(mode))
    )


def _save(image: Image.Image, kind: str, **options: Any) -> bytes | None:
    """The encoded picture; None where this Pillow cannot write it."""
    file = io.BytesIO()
    try:
        image.save(file, kind, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError):
        return None
    return file.getvalue()


_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "PPM": ".ppm", "MPO": ".jpg"}
_SUFFIXES |= dict.fromkeys(("BLP", "DDS", "EPS", "IM", "MSP", "PDF", "QOI", "SGI"), ".png")
_SUFFIXES["SPIDER"] = ".png"
"""By which a folder's pictures are found; what a file holds is another matter."""


def _seeds(name: str, kind: str, contents: Iterable[bytes | None]) -> Iterator[Seed]:
    suffix = _SUFFIXES.get(kind, f".{kind.lower()}")
    yield from (Seed(name, suffix, content) for content in contents if content is not None)


def _saved() -> Iterator[Seed]:
    plain: list[tuple[str, str, dict[str, Any]]] = [(kind, mode, {}) for kind, mode in _PLAIN]
    for kind, mode, options in plain + _VARIANTS:
        name = " ".join([kind, mode, *(f"{key}={value}" for key, value in options.items())])
        yield from _seeds(
            name, kind, (_save(_image(mode, size), kind, **options) for size in _SIZES)
        )


def _animated() -> Iterator[Seed]:
    for kind in ("GIF", "TIFF", "WEBP", "PNG", "AVIF", "MPO"):
        first = _image("RGB" if kind in ("WEBP", "AVIF", "MPO") else "L", (28, 28))
        rest = [first.rotate(90), first.rotate(180)]
        options = {} if kind in ("TIFF", "MPO") else {"duration": 100}
        content = _save(first, kind, save_all=True, append_images=rest, **options)
        yield from _seeds(f"{kind} of three", kind, [content])


def _upright() -> Iterator[Seed]:
    """Pictures that a tag turns."""
    for kind, orientation in itertools.product(("JPEG", "PNG", "TIFF", "WEBP"), (3, 6, 8)):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        exif[0x010E] = "a description"
        content = _save(_image("L", (28, 28)), kind, exif=exif)
        yield from _seeds(f"{kind} turned {orientation}", kind, [content])


def _made() -> Iterator[Seed]:
    """What Pillow does not write: every kind of PNG, and tiles."""
    kinds = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4)]
    kinds += [(3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]
    for colour, depth in kinds:
        for interlaced in (False, True):
            name = f"PNG colour {colour} depth {depth} interlaced {interlaced}"
            yield Seed(name, ".png", png(colour, depth, interlaced=interlaced))
    for order in "<>":
        yield Seed(f"TIFF tiles {order}", ".tif", _tiled_tiff(order))
    yield Seed("PGM plain", ".pgm", b"P2\n# a comment\n28 28\n255\n" + _plain())
    yield Seed("PBM plain", ".pbm", b"P1\n28 28\n" + _plain(bits=True))
    yield Seed("PGM of 16 bits", ".pgm", b"P5 28 28 65535\n" + digit().astype(">u2").tobytes())


def _plain(*, bits: bool = False) -> bytes:
    values = digit() > 127 if bits else digit()
    return b"\n".join(b" ".join(b"%d" % value for value in row) for row in values.tolist())


def _odd() -> Iterator[Seed]:
    """Files that are no picture, by names of pictures."""
    yield Seed("empty", ".png", b"")
    yield Seed("text", ".png", b"hello\n")
    yield Seed("PostScript", ".png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EOF\n")
    yield Seed("SVG", ".png", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    yield Seed("zip", ".png", b"PK\x03\x04" + bytes(60))
    yield Seed("WMF", ".bmp", b"\xd7\xcd\xc6\x9a" + bytes(40))


def _heif() -> Iterator[Seed]:
    try:
        import pillow_heif
    except ImportError:
        return
    file = io.BytesIO()
    pillow_heif.from_pillow(_image("RGB", (32, 32))).save(file, quality=50)
    yield Seed("HEIC", ".heic", file.getvalue())


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7: tuple[tuple[int, int, int, int], ...] = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
)
_ADAM7 += ((0, 1, 1, 2),)


def png(colour: int, depth: int, *, interlaced: bool = False) -> bytes:
    """A PNG of the digit, of one colour type and depth of the specification (Table 11.1)."""
    levels = digit().astype(np.uint32) * ((1 << depth) - 1) // 255
    if colour == 3:
        levels = np.minimum(levels, 3)
    pixels = np.repeat(levels[:, :, np.newaxis], _CHANNELS[colour], axis=2)
    passes = (
        [pixels[top::down, left::across] for left, top, across, down in _ADAM7]
        if interlaced
        else [pixels]
    )
    lines = b"".join(_scanlines(part, depth) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", 28, 28, depth, colour, 0, 0, interlaced)
    palette = _chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
    chunks = [_chunk(b"IHDR", header), palette, _chunk(b"IDAT", zlib.compress(lines, 1))]
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, _chunk(b"IEND", b"")])


def _scanlines(pixels: npt.NDArray[np.uint32], depth: int) -> bytes:
    flat = pixels.reshape(len(pixels), -1)
    if depth >= 8:
        rows = [row.tobytes() for row in flat.astype(">u2" if depth == 16 else "u1")]
    else:
        bits = (flat[:, :, np.newaxis] >> np.arange(depth - 1, -1, -1, dtype=np.uint32)) & 1
        rows = [row.tobytes() for row in np.packbits(bits.reshape(len(flat), -1), axis=1)]
    return b"".join(b"\0" + row for row in rows)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _tiled_tiff(order: str) -> bytes:
    """A gray TIFF of four tiles of 16 x 16, without compression."""
    padded = np.zeros((32, 32), np.uint8)
    padded[:28, :28] = digit()
    tiles = [padded[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16)]
    tags = [(256, 3, [28]), (257, 3, [28]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1])]
    tags += [(277, 3, [1]), (322, 3, [16]), (323, 3, [16])]
    after = 8 + 2 + 12 * (len(tags) + 2) + 4
    starts = [after + 32 + 256 * number for number in range(4)]
    tags += [(324, 4, starts), (325, 4, [256] * 4)]
    directory, values, position = struct.pack(f"{order}H", len(tags)), b"", after
    for tag, kind, numbers in tags:
        packed = struct.pack(f"{order}{len(numbers)}{'HI'[kind - 3]}", *numbers)
        directory += struct.pack(f"{order}HHI", tag, kind, len(numbers))
        if len(packed) > 4:
            directory += struct.pack(f"{order}I", position + len(values))
            values += packed
        else:
            directory += packed.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}I", 8) + directory + bytes(4)
    return head + values + b"".join(tiles)
