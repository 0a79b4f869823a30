"""Seeds: zip and tar archives of every kind, NumPy and IDX arrays, most of them small."""

from __future__ import annotations

import functools
import io
import itertools
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.mnist import idx_header
from tests.fuzz.pictures import digit, png
from tests.fuzz.seeds import WRAPPERS, Case, Seed

__all__ = ["CONTAINER_SUFFIXES", "array_file", "container_seeds", "damaged"]

CONTAINER_SUFFIXES = (
    *(".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".npy"),
    *("-idx3-ubyte", "-idx3-ubyte.gz"),
)

_TIME = (2026, 1, 1, 0, 0, 0)
_FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}

_DTYPES: tuple[str, ...] = (
    "u1",
    "i1",
    "<u2",
    ">u2",
    "<i4",
    ">i4",
    "<i8",
    "<u8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    "?",
)
_DTYPES += ("<c8", "<M8[s]", "<m8[D]", "S3", "<U2", "V4", "<f8, <i4", "O")

_SHAPES: tuple[tuple[int, ...], ...] = (
    *((), (0,), (28,), (28, 28), (1, 28, 28), (2, 28, 28), (28, 28, 3), (28, 28, 4)),
    *(
        (2, 28, 28, 3),
        (3, 28, 28),
        (2, 3, 28, 28),
        (0, 28, 28),
        (2, 0, 28),
        (1, 1, 1),
        (1, 1, 1, 1),
    ),
    *((2, 28, 28, 1), (1, 2, 3, 4, 5)),
)


@functools.cache
def container_seeds() -> tuple[Seed, ...]:
    """All seeds; the same in every process."""
    return tuple(itertools.chain(_zips(), _tars(), _arrays(), _idx()))


@functools.cache
def _members() -> dict[str, bytes]:
    gray, colour = png(0, 8), png(2, 8)
    return {
        "a.png": gray,
        "folder/b.png": colour,
        "notes.txt": b"not a picture",
        "c.jpg": b"damaged",
        "empty.png": b"",
        ".hidden.png": gray,
        "../up.png": gray,
        "/root.png": gray,
        "a.png ": gray,
        "é\x1b[31m.png": gray,
        f"{'long/' * 60}d.png": gray,
        "last.png": gray,
    }


def damaged(number: int, chance: random.Random) -> Case:
    """A seed in which something is missing or wrong that its format lets a reader notice.

    Cut short, a wrong checksum of gzip or xz, or a tar header in the middle overwritten.
    """
    seed = chance.choice([seed for seed in container_seeds() if seed.is_whole])
    content = bytearray(seed.wrapped)
    later = [
        start
        for start in range(512, len(seed.content) - 511, 512)
        if seed.content[start + 257 : start + 262] == b"ustar"
    ]
    if seed.wrapper in ("gz", "xz") and chance.random() < 0.3:
        content[-chance.randint(1, 8)] ^= 1 << chance.randrange(8)
        how = "with a wrong checksum"
    elif seed.suffix == ".tar" and later and chance.random() < 0.5:
        start = chance.choice(later)
        name = slice(start, start + 100)
        intact = sum(content[name]) % 256
        # The checksum is the sum of the bytes, signed or not: one of the same sum is no damage.
        while sum(content[name]) % 256 == intact:
            content[name] = chance.randbytes(100)
        how = f"with its header at {start} overwritten"
    else:
        # Zeros end a tar; that some of them are missing is no damage.
        size = chance.randrange(len(content.rstrip(b"\0")))
        del content[size:]
        how = f"cut at {size}"
    return Case(number, f"{seed.name} {how}", seed.suffix, bytes(content), is_damaged=True)


# zip


def _zips() -> Iterator[Seed]:
    plain = dict(itertools.islice(_members().items(), 3))
    for name, method in (
        ("stored", zipfile.ZIP_STORED),
        ("deflated", zipfile.ZIP_DEFLATED),
        ("bzip2", zipfile.ZIP_BZIP2),
        ("lzma", zipfile.ZIP_LZMA),
    ):
        content = _zip(plain, method)
        yield Seed(f"zip {name}", ".zip", content, is_whole=True)
        yield Seed(f"zip {name} encrypted", ".zip", _flagged(content, 0x1))
        yield Seed(f"zip {name} piped", ".zip", _zip(plain, method, Unseekable()))
    stored = _zip(plain, zipfile.ZIP_STORED)
    yield Seed("zip of many", ".zip", _zip(_members(), zipfile.ZIP_DEFLATED))
    yield Seed("zip of 64 bits", ".zip", _zip(plain, zipfile.ZIP_STORED, zip64=True))
    yield Seed("zip of an unknown method", ".zip", _of_method(stored, 99))
    yield Seed("zip in a zip", ".zip", _zip({"in.zip": stored, "a.png": png(0, 8)}))
    yield Seed("zip of nothing", ".zip", _zip({}))
    yield Seed("zip with a folder", ".zip", _zip({"folder/": b"", "folder/a.png": png(0, 8)}))
    yield Seed("zip after something else", ".zip", b"#!/bin/sh\n" + stored)
    yield Seed("zip with a comment", ".zip", _zip(plain, comment=b"a comment PK\x05\x06"))
    yield Seed("zip with a name twice", ".zip", stored.replace(b"folder/b.png", b"folder/a.png"))
    yield Seed("zip of one large", ".zip", _zip({"a.png": bytes(1 << 20)}, zipfile.ZIP_DEFLATED))
    yield Seed("zip of pictures as png", ".zip", png(0, 8))


class Unseekable(io.RawIOBase):
    """A pipe: sizes and checksums are written behind the members."""

    def __init__(self) -> None:
        super().__init__()
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.content += bytes(content)
        return len(content)


def _zip(
    members: dict[str, bytes],
    method: int = zipfile.ZIP_STORED,
    pipe: Unseekable | None = None,
    *,
    comment: bytes = b"",
    zip64: bool = False,
) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(pipe if pipe is not None else memory, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as file:
                file.write(content)
    return memory.getvalue() if pipe is None else pipe.content


def _flagged(content: bytes, flag: int) -> bytes:
    """Sets a flag of every member, in its header and in the directory."""
    return _with_fields(content, 6, 8, lambda value: value | flag)


def _of_method(content: bytes, method: int) -> bytes:
    return _with_fields(content, 8, 10, lambda _: method)


def _with_fields(content: bytes, local: int, central: int, change: Callable[[int], int]) -> bytes:
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        position = changed.find(signature)
        while position >= 0:
            (value,) = struct.unpack_from("<H", changed, position + offset)
            struct.pack_into("<H", changed, position + offset, change(value))
            position = changed.find(signature, position + 4)
    return bytes(changed)


# tar


def _tars() -> Iterator[Seed]:
    for kind_name, kind in _FORMATS.items():
        for wrapper in (None, *WRAPPERS):
            for members in (dict(itertools.islice(_members().items(), 3)), _members()):
                content = _tar(members, kind)
                suffix = f".tar.{wrapper}" if wrapper is not None else ".tar"
                name = f"tar {kind_name} {wrapper} {len(members)}"
                yield Seed(name, suffix, content, wrapper, is_whole=len(members) == 3)
    yield Seed("tar of odd members", ".tar", _odd_tar())
    yield Seed("tar in a tar", ".tar", _tar({"in.tar": _odd_tar(), "a.png": png(0, 8)}))
    yield Seed("tar of nothing", ".tar", _tar({}))
    yield Seed("tar without an end", ".tar", _tar({"a.png": png(0, 8)})[:1024])
    yield Seed("tar by a zip's name", ".zip", _tar({"a.png": png(0, 8)}))
    for name, headers in (
        ("size", {"size": "10"}),
        ("path", {"path": "x\0y.png"}),
        ("sparse 0.0", {"GNU.sparse.size": "9", "GNU.sparse.numblocks": "1"}),
        ("sparse 0.1", {"GNU.sparse.map": "0,3,6,3", "GNU.sparse.size": "9"}),
        ("sparse 1.0", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
        ("time", {"mtime": "1e400", "comment": "a comment"}),
    ):
        yield Seed(f"tar pax {name}", ".tar", _pax({**headers, "GNU.sparse.name": "s.png"}))
    yield Seed("tar sparse", ".tar", _sparse_tar())


def _tar(members: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=kind) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name[-200:] if kind == tarfile.USTAR_FORMAT else name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return _shortened(memory.getvalue())


def _shortened(content: bytes) -> bytes:
    """Ends after two blocks of zeros, instead of twenty blocks on a tape."""
    return content.rstrip(b"\0").ljust(-(-len(content.rstrip(b"\0")) // 512) * 512, b"\0") + bytes(
        1024
    )


def _odd_tar() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number, kind in enumerate(
            (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
        ):
            info = tarfile.TarInfo(f"{number}.png")
            info.type, info.linkname = kind, "a.png"
            archive.addfile(info)
        for name in ("a.png", "a.png", f"{'n' * 150}.png", "z.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(0, 8))
            archive.addfile(info, io.BytesIO(png(0, 8)))
    return _shortened(memory.getvalue())


def _pax(headers: dict[str, str]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a.png", "b.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(0, 8))
            info.pax_headers = headers if name == "a.png" else {}
            archive.addfile(info, io.BytesIO(png(0, 8)))
    return _shortened(memory.getvalue())


def _sparse_tar() -> bytes:
    """A member of the old GNU kind: 600 bytes, of which 10 at the start and 10 at 500 are there."""
    info = tarfile.TarInfo("sparse.png")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 20
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for start, value in ((386, 0), (398, 10), (410, 500), (422, 10), (483, 600)):
        header[start : start + 12] = b"%011o\0" % value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + png(0, 8)[:20].ljust(512, b"\0") + _tar({"a.png": png(0, 8)})


# Arrays


def array_file(array: npt.NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    """A ``.npy`` file; objects are pickled into it."""
    memory = io.BytesIO()
    np.lib.format.write_array(memory, array, version=version)
    return memory.getvalue()


def _arrays() -> Iterator[Seed]:
    for dtype, shape in itertools.product(_DTYPES, ((28, 28), (2, 28, 28))):
        yield Seed(f"npy {dtype} {shape}", ".npy", array_file(_array(dtype, shape)))
    for shape in _SHAPES:
        yield Seed(f"npy {shape}", ".npy", array_file(_array("u1", shape)))
    for version in ((1, 0), (2, 0), (3, 0)):
        content = array_file(_array("u1", (2, 28, 28)), version)
        yield Seed(f"npy {version}", ".npy", content, is_whole=True)
        yield Seed(f"npy {version} by Python 2", ".npy", content.replace(b"(2, ", b"(2L,"))
    yield Seed("npy by column", ".npy", array_file(np.asfortranarray(_array("u1", (28, 28)))))
    for text in (b"{" * 300, b"[" * 2000, b"{'descr': '|u1', 'shape': (1,)}", b"\0", b"-" * 3000):
        header = struct.pack("<H", len(text))
        yield Seed("npy of an odd header", ".npy", b"\x93NUMPY\x01\0" + header + text)


def _array(dtype: str, shape: Sequence[int]) -> npt.NDArray[Any]:
    pixels = np.resize(digit(), shape) if 0 not in shape else np.zeros(shape, np.uint8)
    kind = np.dtype(dtype)
    if kind.names is not None or kind.kind == "V":
        return np.zeros(shape, kind)
    if kind.kind == "f":
        return (pixels / 255).astype(kind)
    return pixels.astype("i8").astype(kind) if kind.kind in "Mm" else pixels.astype(kind)


def _idx() -> Iterator[Seed]:
    for shape in ((1, 28, 28), (3, 28, 28), (0, 28, 28), (28, 28), (5,), (1, 2, 28, 28), (2, 1, 1)):
        content = idx_header(shape) + np.resize(digit(), shape).tobytes()
        is_whole = len(shape) == 3 and shape[1:] == (28, 28)
        yield Seed(f"IDX {shape}", "-idx3-ubyte", content, is_whole=is_whole)
        yield Seed(f"IDX.gz {shape}", "-idx3-ubyte.gz", content, "gz", is_whole=is_whole)
    yield Seed("IDX of floats", "-idx3-ubyte", b"\0\0\x0d\x03" + bytes(40))
