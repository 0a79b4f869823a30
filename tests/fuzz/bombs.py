"""Small files that ask for much: memory, time, depth."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import tarfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnist_edge.mnist import idx_header
from tests.fuzz.engine import Campaign
from tests.fuzz.findings import Broken, Report
from tests.fuzz.guards import Guard
from tests.fuzz.mutations import mutate
from tests.fuzz.repairs import repair
from tests.fuzz.roads import GOOD, predict_all
from tests.fuzz.seeds import Case, Seed, chance_of

__all__ = ["Bombs"]

_PIECE = 1 << 20
_SIDE = 8900
"""Pixels: its square is just below what is decoded at all."""


class Bombs(Campaign):
    """Bombs through `predict`, alone, and a good picture behind them.

    Args:
        seed: of the campaign.
    """

    name = "bombs"
    at_once = 1

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seeds = [*itertools.chain(_pngs(), _saved(), _headers(), _archives(), _arrays())]

    def case(self, number: int) -> Case:
        seed = self._seeds[number % len(self._seeds)]
        content = seed.content
        # Each as it is at first.
        if number >= len(self._seeds):
            chance = chance_of(self.name, self._seed, number)
            content = repair(mutate(content, chance, lambda: chance.choice(self._seeds).content))
        return Case(number, seed.name, seed.suffix, content)

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        for case in cases:
            path = work / f"{case.number}{case.suffix}"
            path.write_bytes(case.content)
            rows = predict_all([path, GOOD], work / "rows.jsonl")
            if len(rows) < 2 or rows[-1]["digit"] != 7:
                raise Broken(f"good picture lost: after {path.name}")
            report.outcomes["errors" if rows[0]["error"] else "predicted"] += 1
        if noise := guard.noise():
            raise Broken(f"noise: {noise}")


def _zeros(size: int, *, raw: bool = False) -> bytes:
    """Zeros, deflated in no time: one piece again and again; `raw` = without zlib's frame."""
    pack = zlib.compressobj(9, wbits=-15)
    piece = pack.compress(bytes(_PIECE)) + pack.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(bytes(size % _PIECE)) + last.flush()
    packed = piece * (size // _PIECE) + rest
    # Adler-32 of so many zeros (RFC 1950).
    return packed if raw else b"\x78\xda" + packed + struct.pack(">HH", size % 65521, 1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, colour: int, *more: bytes) -> bytes:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    line = 1 + (width * depth * channels + 7) // 8
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = _zeros(min(line * height, 800 << 20))
    chunks = [_chunk(b"IHDR", header), *more, _chunk(b"IDAT", packed), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _pngs() -> Iterator[Seed]:
    kinds = ((8, 0), (1, 0), (16, 0), (8, 2), (16, 2), (8, 4), (8, 6), (16, 6))
    for depth, colour in kinds:
        yield Seed(f"PNG {depth} {colour}", ".png", _png(_SIDE, _SIDE, depth, colour))
        yield Seed(f"PNG half {depth} {colour}", ".png", _png(4000, 4000, depth, colour))
    for width, height in ((70_000_000, 1), (1, 70_000_000), (4, 17_000_000), (1_000_000, 79)):
        for depth, colour in ((8, 0), (8, 6), (16, 6)):
            name = f"PNG {width} x {height} {depth} {colour}"
            yield Seed(name, ".png", _png(width, height, depth, colour))
    palette = _chunk(b"PLTE", bytes(768)) + _chunk(b"tRNS", bytes(256))
    yield Seed("PNG palette", ".png", _png(_SIDE, _SIDE, 8, 3, palette))
    for kind, head in ((b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")):
        text = _chunk(kind, head + _zeros(600 << 20))
        yield Seed(f"PNG {kind.decode()}", ".png", _png(28, 28, 8, 0, text))
        yield Seed(f"PNG many {kind.decode()}", ".png", _png(28, 28, 8, 0, *[text] * 4))


def _saved() -> Iterator[Seed]:
    """A large picture of one colour in other formats."""
    kinds: list[tuple[str, str, str, dict[str, Any]]] = [
        ("TIFF", "L", ".tif", {"compression": "tiff_lzw"}),
        ("TIFF", "RGBA", ".tif", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "F", ".tif", {"compression": "tiff_adobe_deflate"}),
        ("GIF", "L", ".gif", {}),
        ("JPEG", "L", ".jpg", {"progressive": True}),
        ("JPEG", "CMYK", ".jpg", {"progressive": True, "quality": 100}),
        ("WEBP", "RGBA", ".webp", {"lossless": True, "quality": 0, "method": 0}),
        ("JPEG2000", "L", ".jp2", {}),
        ("PNG", "P", ".png", {"transparency": 0, "compress_level": 1}),
    ]
    for kind, mode, suffix, options in kinds:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.new(mode, (6000, 6000)).save(file, kind, **options)
        yield Seed(f"{kind} {mode}", suffix, file.getvalue())


def _headers() -> Iterator[Seed]:
    """Pictures of which there is little more than a header that promises much."""
    for magic in (b"P4", b"P5", b"P6", b"P1", b"P2", b"P3", b"Pf", b"PF"):
        yield Seed(f"PPM {magic.decode()}", ".ppm", magic + b"\n8900 8900\n255\n" + bytes(500))
    bmp = b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54)
    for bits, packed in ((24, 0), (32, 0), (8, 1), (4, 2), (1, 0)):
        fields = struct.pack("<IiiHHIIiiII", 40, _SIDE, _SIDE, 1, bits, packed, 0, 0, 0, 0, 0)
        yield Seed(f"BMP {bits} {packed}", ".bmp", bmp + fields + bytes(2000))
    tga = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, _SIDE, _SIDE, 32, 0)
    yield Seed("TGA", ".tga", tga + b"\xff\0\0\0\0" * 100_000)
    pcx = b"\n\5\1\x08" + struct.pack("<HHHH", 0, 0, _SIDE, _SIDE) + bytes(53) + b"\3"
    yield Seed("PCX", ".pcx", pcx + struct.pack("<H", _SIDE) + bytes(60) + b"\xff\0" * 200_000)
    gif = b"GIF89a" + struct.pack("<HHBBB", _SIDE, _SIDE, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, _SIDE, _SIDE, 0) + b"\2\2\x4c\1\0"
    yield Seed("GIF of many frames", ".gif", gif + frame * 10_000 + b";")
    yield Seed(
        "XBM", ".xbm", b"#define a_width 8900\n#define a_height 8900\nstatic char a[] = {\n0"
    )


def _archives() -> Iterator[Seed]:
    one = _zipped([("a.png", 1 << 30)])
    yield Seed("zip of a large one", ".zip", one)
    yield Seed("zip that says less", ".zip", one.replace(struct.pack("<I", 1 << 30), b"\0\1\0\0"))
    yield Seed("zip of many", ".zip", _zipped([(f"{n}.png", 100 << 20) for n in range(8)]))
    yield Seed("zip of names", ".zip", _zipped([(f"{n}{'x' * 60_000}.png", 0) for n in range(20)]))
    member = tarfile.TarInfo("a.png")
    member.size = 500 << 20
    yield Seed("tar.gz of a large one", ".tar.gz", _gzipped(member.tobuf(), member.size))
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        member.type = kind
        yield Seed(f"tar.gz {kind!r}", ".tar.gz", _gzipped(member.tobuf(), member.size))
    headers = {"size": "9" * 30}
    info = tarfile.TarInfo("a.png")
    info.pax_headers = headers
    yield Seed("tar of 10^30", ".tar", info.tobuf(tarfile.PAX_FORMAT) + bytes(2048))
    numbers = ",".join("0" for _ in range(200_000))
    info.pax_headers = {"GNU.sparse.map": numbers, "GNU.sparse.size": "9"}
    yield Seed("tar of many holes", ".tar", info.tobuf(tarfile.PAX_FORMAT) + bytes(2048))


def _zipped(members: Sequence[tuple[str, int]]) -> bytes:
    """A zip archive of zeros, which is written without ever having them."""
    local, central = b"", b""
    for name, size in members:
        packed = _zeros(size, raw=True)
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
        central += b"PK\1\2\x14\0" + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(local))
        central += name.encode()
        local += b"PK\3\4" + fields + name.encode() + packed
    count, size = len(members), len(central)
    return (
        local + central + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count, count, size, len(local), 0)
    )


def _gzipped(head: bytes, zeros: int) -> bytes:
    """Some bytes, and as many zeros behind them: two streams of gzip, one after the other."""
    packed = _zeros(zeros, raw=True)
    return gzip.compress(head) + b"\x1f\x8b\x08" + bytes(7) + packed + bytes(8)


def _arrays() -> Iterator[Seed]:
    shapes = ((10**9, 28, 28), (2, 60_000, 60_000), (30_000, 30_000), (10**12, 1, 1), (3, 10**9, 3))
    for kind, shape in itertools.product(("|u1", "<f8", "|S99999", "|b1", "<f2"), shapes):
        text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
        yield Seed(f"npy {kind} {shape}", ".npy", _npy(text) + bytes(5000))
    for text in (b"{" * 9000, b"(" * 9000, b"-" * 9000 + b"1", b"[" * 4000 + b"]" * 4000):
        yield Seed(f"npy {text[:1]!r}", ".npy", _npy(text))
    nested = repr({"descr": [("a", "<f8")] * 900, "fortran_order": False, "shape": (1, 1)})
    yield Seed("npy of many fields", ".npy", _npy(nested.encode()))
    for shape in ((10**9, 28, 28), (1, 50_000, 50_000), (2**32 - 1, 1, 1), (40_000, 8000, 8000)):
        yield Seed(f"IDX {shape}", "-idx3-ubyte", idx_header(shape) + bytes(5000))
        # Where the pictures are small, there are many, and each has its row.
        content = _gzipped(idx_header(shape), 400 << 20 if shape[1] > 28 else 1 << 19)
        yield Seed(f"IDX.gz {shape}", "-idx3-ubyte.gz", content)


def _npy(header: bytes) -> bytes:
    return np.lib.format.magic(2, 0) + struct.pack("<I", len(header) + 1) + header + b"\n"
