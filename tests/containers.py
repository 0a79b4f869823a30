"""Archives and arrays made by code, whole and damaged, for tests of their readers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np

__all__ = ["CONTENTS", "NAMES", "PACKERS", "idx", "mutated", "npy", "seeds", "tar", "zip_archive"]

_rng = np.random.default_rng(0)
CONTENTS = [_rng.integers(0, 256, size, np.uint8).tobytes() for size in (50, 700, 1500, 3000)]
"""Contents of members, which do not compress."""

NAMES = [f"d/{number}.png" for number in range(len(CONTENTS))]

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def tar(
    members: dict[str, bytes] | None = None,
    kind: int = tarfile.PAX_FORMAT,
    headers: dict[str, str] | None = None,
) -> bytes:
    """A tar archive of the members, by default `NAMES` and `CONTENTS`, with pax headers each."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for name, content in (members or dict(zip(NAMES, CONTENTS, strict=True))).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = headers or {}
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zip_archive(method: int = zipfile.ZIP_STORED, members: dict[str, bytes] | None = None) -> bytes:
    """A zip archive of the members, by default `NAMES` and `CONTENTS`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in (members or dict(zip(NAMES, CONTENTS, strict=True))).items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    """A NumPy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def idx(images: np.ndarray) -> bytes:
    """An IDX file of pictures, from its specification."""
    return struct.pack(">4I", 0x803, *images.shape) + images.astype(np.uint8).tobytes()


def seeds() -> dict[str, bytes]:
    """Whole files of every kind, by a name that ends as such files' do."""
    images = _rng.integers(0, 256, (5, 28, 28), np.uint8)
    long = {("é" * 120) + name: content for name, content in zip(NAMES, CONTENTS, strict=True)}
    return {
        "pax.tar": tar(headers={"SCHILY.xattr.user": "value"}),
        "long.tar": tar(long),
        "gnu.tar": tar(long, tarfile.GNU_FORMAT),
        "ustar.tar": tar(kind=tarfile.USTAR_FORMAT),
        **{f"packed.tar.{name}": pack(tar()) for name, pack in PACKERS.items()},
        "stored.zip": zip_archive(),
        "deflated.zip": zip_archive(zipfile.ZIP_DEFLATED),
        "bzip2.zip": zip_archive(zipfile.ZIP_BZIP2),
        "lzma.zip": zip_archive(zipfile.ZIP_LZMA, long),
        "gray.npy": npy(images),
        "colour.npy": npy(np.zeros((3, 9, 8, 3), np.float32)),
        "a-idx3-ubyte": idx(images),
        "a-idx3-ubyte.gz": gzip.compress(idx(images)),
    }


_VALUES = [
    *(b"\0", b"\xff", b"\x80", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff" * 8),
    *(b"9" * 11, b"7" * 11, b"-1", b"(", b"[", b"'", b"\n", b"GNU.sparse.size"),
]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Some damage, mostly near the beginning and the end, where the headers are."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        size = max(1, len(damaged))
        near = chance.randrange(min(size, chance.choice((16, 100, 700, size))))
        start = near if chance.random() < 0.7 else size - 1 - near
        value = chance.choice(_VALUES)
        match chance.randrange(7):
            case 0:
                damaged[start : start + 1] = bytes([chance.randrange(256)])
            case 1 | 2:
                damaged[start : start + len(value)] = value
            case 3:
                del damaged[start:]
            case 4:
                del damaged[start : start + chance.choice((1, 3, 512))]
            case 5:
                damaged[start:start] = damaged[start : start + chance.choice((1, 16, 512))]
            case 6:
                damaged += chance.randbytes(chance.choice((1, 10, 1000)))
    return _with_checksums(damaged) if chance.random() < 0.7 else bytes(damaged)


def _with_checksums(damaged: bytearray) -> bytes:
    """Corrects the sums of tar headers, so that what they say is believed."""
    for start in range(0, len(damaged) - 511, 512):
        if damaged[start + 257 : start + 262] == b"ustar":
            damaged[start + 148 : start + 156] = b" " * 8
            checksum = sum(damaged[start : start + 512])
            damaged[start + 148 : start + 156] = b"%06o\0 " % checksum
    return bytes(damaged)
