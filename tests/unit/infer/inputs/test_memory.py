"""No file of a few megabytes makes decoding take more than the limit, whatever it claims.

The files are made here: tiny ones that claim much, and pictures at the limit. Each is decoded in a
process of its own, whose peak the system measures.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge import ImageReadError
from mnist_edge.inputs.decode import decode
from mnist_edge.inputs.limits import LARGEST_FILE, read_limited

LIMIT = (400 - 20) << 20
"""Bytes; onnxruntime, which is not loaded here, takes some 20 MiB."""

SMALL = 1_000_000
"""Largest of the files that are bombs, bytes."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are measured on Linux")

PROGRAM = """
import re, sys
from mnist_edge.errors import ImageReadError
from mnist_edge.preprocess.preprocessor import preprocess
from mnist_edge.inputs.decode import decode_all, open_picture
for opened in (lambda: preprocess(decode_all(sys.argv[1:], [None]), [None])[0],
               lambda: open_picture(sys.argv[1])):
    print(type(opened()).__name__)
# Not `ru_maxrss`, which begins with that of the process that started this one.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""


def peak_of(path: Path | str) -> tuple[str, int]:
    """What became of a picture, and the bytes that its process had at most."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
    )
    outcome, _, peak = done.stdout.split()
    return outcome, int(peak)


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width: int, height: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG with a dark bar on light, of any depth and colour type, made row by row."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    length = -(-width * channels * depth // 8)
    light = b"\xf0" * length
    bar = slice(length * 9 // 20, length * 11 // 20)
    dark = light[: bar.start] + b"\x10" * (bar.stop - bar.start) + light[bar.stop :]
    packer = zlib.compressobj(1)
    data = b"".join(
        packer.compress(b"\0" + (dark if height < 4 * y < 3 * height else light))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = chunk(b"IDAT", data + packer.flush()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + end


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(tags: dict[int, tuple[int, int, int]], values: bytes = b"") -> bytes:
    """A TIFF of one directory: tag -> type, count, and value or place; `values` are at 8."""
    entries = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(values)) + values + directory


PALETTE = chunk(b"PLTE", bytes(range(256)) * 3)
ALPHA = chunk(b"tRNS", bytes([0, *[255] * 255]))
TURN = Image.Exif()
TURN[0x0112] = 6


def small_png_in_an_icon(inner: bytes) -> bytes:
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    return b"\0\0\1\0\1\0" + entry + inner


def with_claimed_size(content: bytes, place: int, form: str, *size: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, place, *size)
    return bytes(changed)


def texts() -> bytes:
    """One letter beyond 16 bits makes every letter of a text take four bytes."""
    letters = ("\U0001f600" + "a" * 900_000).encode()
    text = chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(letters))
    return png(64, 64, 8, 0, *[text] * 60)


def exif_of_many_values() -> bytes:
    values = bytes(60_000)
    directory = tiff({0x0112: (4, 15_000, 8), 0x011A: (5, 7_000, 8)}, values)
    segment = b"Exif\0\0" + directory
    app = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    plain = saved(Image.new("L", (64, 64)), "JPEG")
    return plain[:2] + app * 12 + plain[2:]


STRIPS = {256: (4, 1, 28), 257: (4, 1, 28), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}


def jpeg_2000_of_tiles(mode: str, tiles: int) -> bytes:
    """A picture of one tile that claims to be the first of many, below one another."""
    content = saved(Image.new(mode, (9, 8)), "JPEG2000", no_jp2=True)
    size = content.index(b"\xff\x4f\xff\x51")
    return with_claimed_size(content, size + 12, ">I", 8 * tiles)


def one_column() -> bytes:
    """Seventy million rows of a byte, each of which Pillow keeps an address of."""
    data = zlib.compress(bytes(2 * 70_000_000), 1)
    header = struct.pack(">IIBBBBB", 1, 70_000_000, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


BOMBS: dict[str, Callable[[], bytes]] = {
    "strip": lambda: png(40, 1_048_616, 8, 6),
    "wide strip": lambda: png(1_048_616, 40, 8, 0),
    "one row": lambda: png(10_000_000, 1, 8, 0),
    "one column": one_column,
    "gif": lambda: with_claimed_size(
        saved(Image.new("P", (8, 8)), "GIF"), 6, "<HH", 65_535, 65_535
    ),
    "webp": lambda: saved(Image.new("RGB", (8_000, 8_000)), "WEBP", lossless=True, method=0),
    "bmp": lambda: with_claimed_size(
        saved(Image.new("RGB", (8, 8)), "BMP"), 18, "<ii", 12_000, 12_000
    ),
    "tga": lambda: with_claimed_size(
        saved(Image.new("RGB", (8, 8)), "TGA"), 12, "<HH", 65_535, 65_535
    ),
    "ppm": lambda: b"P6 20000 20000 255\n" + bytes(100),
    "plain ppm": lambda: b"P3 8000 8000 255\n" + b"1 " * 100,
    "pfm": lambda: b"Pf 10000 9000 -1.0\n" + bytes(100),
    "xbm": lambda: b"#define i_width 30000\n#define i_height 30000\nstatic char i_bits[] = {\n0x00",
    "png in an icon": lambda: small_png_in_an_icon(png(9_000, 9_000, 8, 6)),
    "bmp in an icon": lambda: small_png_in_an_icon(
        struct.pack("<IiiHHIIiiII", 40, 12_000, 24_000, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(99)
    ),
    "texts of a png": texts,
    "jpeg in several scans": lambda: with_claimed_size(
        (plain := saved(Image.new("RGB", (64, 64)), "JPEG", progressive=True)),
        plain.index(b"\xff\xc2") + 5,
        ">HH",
        16_000,
        16_000,
    ),
    "exif of a jpeg": exif_of_many_values,
    "strips of a tiff": lambda: tiff(
        STRIPS | {273: (4, 200_000, 8), 278: (4, 1, 1), 279: (4, 200_000, 8)}, bytes(800_000)
    ),
    "one strip of a tiff": lambda: saved(
        Image.new("RGB", (8_000, 6_000)), "TIFF", compression="tiff_lzw", tiffinfo={278: 6_000}
    ),
    "exif of a tiff": lambda: tiff(
        STRIPS
        | {273: (4, 1, 8), 279: (4, 1, 784), 34665: (4, 1, 8)}
        | {700: (5, 100_000, 8), 34675: (5, 100_000, 8)},
        bytes(800_000),
    ),
    "jpeg 2000": lambda: saved(Image.new("RGB", (6_000, 5_000)), "JPEG2000"),
    "jpeg 2000 of another size than it claims": lambda: with_claimed_size(
        (whole := saved(Image.new("RGB", (5_000, 5_000)), "JPEG2000")),
        whole.index(b"ihdr") + 4,
        ">II",
        64,
        64,
    ),
    **{
        f"{tiles} tiles of a jpeg 2000": functools.partial(jpeg_2000_of_tiles, mode, tiles)
        for mode, tiles in (("L", 30_000), ("L", 65_535), ("RGBA", 20_000))
    },
}

FAST = (
    "65535 tiles of a jpeg 2000",
    "one row",
    "png in an icon",
    "texts of a png",
    "strips of a tiff",
    "jpeg in several scans",
)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in FAST else pytest.mark.slow) for kind in BOMBS]
)
def test_a_small_file_that_claims_much_stays_below_the_limit(tmp_path: Path, kind: str) -> None:
    content = BOMBS[kind]()
    assert len(content) < 3 * SMALL
    (tmp_path / "bomb").write_bytes(content)
    _, peak = peak_of(tmp_path / "bomb")
    assert peak < LIMIT


def in_mode(mode: str) -> bytes:
    page = Image.new("L", (8_500, 8_500), 200).convert(mode)
    return saved(page, "TIFF", compression="tiff_lzw")


LARGE: dict[str, Callable[[], bytes]] = {
    "1": lambda: png(8_900, 8_900, 1, 0),
    "L": lambda: png(8_900, 8_900, 8, 0),
    "L, turned": lambda: png(8_900, 8_900, 8, 0, chunk(b"eXIf", TURN.tobytes()[6:])),
    "L with a transparent level": lambda: png(8_900, 8_900, 8, 0, chunk(b"tRNS", b"\0\x10")),
    "P": lambda: png(8_900, 8_900, 8, 3, PALETTE),
    "P with transparent colours": lambda: png(8_900, 8_900, 8, 3, PALETTE, ALPHA),
    "I;16": lambda: png(8_900, 8_900, 16, 0),
    "LA": lambda: png(8_600, 8_600, 8, 4),
    "RGB": lambda: png(8_600, 8_600, 8, 2),
    "RGB of 16 bits": lambda: png(8_600, 8_600, 16, 2),
    "RGBA, turned": lambda: png(8_600, 8_600, 8, 6, chunk(b"eXIf", TURN.tobytes()[6:])),
    **{mode: functools.partial(in_mode, mode) for mode in ("F", "I", "CMYK", "YCbCr")},
    "WEBP": lambda: saved(Image.new("RGB", (4_300, 4_300)), "WEBP", lossless=True, method=0),
    "photograph of 200 megapixels": lambda: saved(
        Image.new("L", (16_320, 12_240), 200), "JPEG", exif=TURN
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_large_pictures_are_read_below_the_limit(tmp_path: Path, kind: str) -> None:
    (tmp_path / "large").write_bytes(LARGE[kind]())
    outcome, peak = peak_of(tmp_path / "large")
    assert outcome != ImageReadError.__name__
    assert peak < LIMIT


@pytest.mark.slow
def test_a_large_picture_of_each_kind_beyond_the_limit_is_an_error(tmp_path: Path) -> None:
    for number, content in enumerate(
        (png(9_000, 8_900, 8, 0), png(8_900, 8_900, 8, 6), BOMBS["webp"]())
    ):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(ImageReadError, match=r"limit of .*; scale it down first"):
            decode(path)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_without_an_end_is_an_error(device: str) -> None:
    with pytest.raises(ImageReadError, match=f"{device}: larger than 128 MiB"):
        decode(device)


def test_a_pipe_without_an_end_is_an_error() -> None:
    with (
        subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless,
        pytest.raises(ImageReadError, match="larger than 128 MiB"),
    ):
        try:
            assert endless.stdout is not None
            decode(endless.stdout)
        finally:
            endless.kill()


def test_a_file_of_the_largest_size_is_read_whole() -> None:
    content = bytes(LARGEST_FILE)
    assert read_limited(io.BytesIO(content).read, "a") == content
    with pytest.raises(ImageReadError, match="a: larger"):
        read_limited(io.BytesIO(content + b"\0").read, "a")
