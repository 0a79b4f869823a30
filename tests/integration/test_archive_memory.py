"""Small archives that claim or unpack to gigabytes take bounded memory, and end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.containers import tar, zip_archive
from tests.process_tree import needs_proc
from tests.rows import rows

MEASURED = """
import sys
from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.batch.runner import predict
predict(PredictOptions(paths=sys.argv[1:], format="jsonl", workers=1), lambda _: None)
sys.stdout.flush()
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024, file=sys.stderr)
"""
ZEROS = bytes(100 << 20)
MOST = 400
"""MiB."""


def lying_zip(method: int) -> bytes:
    """A picture of 100 MiB whose headers say 1,000 bytes."""
    whole = bytearray(zip_archive(method, {"a.png": ZEROS}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = whole.index(signature) + offset
        whole[start : start + 4] = struct.pack("<I", 1000)
    return bytes(whole)


def large_zip(method: int) -> bytes:
    return zip_archive(method, {f"{number}.png": ZEROS for number in range(3)})


def zip_of_many_members() -> bytes:
    """A directory of 45 MB whose members are no pictures."""
    count = 900_000
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[20] * 2, *[0] * 7, 5, *[0] * 6) + b"a.txt"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[count & 0xFFFF] * 2, len(record) * count, 0, 0)
    return record * count + end


def tar_of_headers(kind: bytes, size: int, unit: bytes) -> bytes:
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT) + unit * (size // len(unit)) + tar()


def idx_header(count: int, side: int) -> bytes:
    return struct.pack(">4I", 0x803, count, side, side)


BOMBS: dict[str, Callable[[], bytes]] = {
    "large.zip": lambda: large_zip(zipfile.ZIP_DEFLATED),
    "bzip2.zip": lambda: large_zip(zipfile.ZIP_BZIP2),
    "lying.zip": lambda: lying_zip(zipfile.ZIP_DEFLATED),
    "lying-bzip2.zip": lambda: lying_zip(zipfile.ZIP_BZIP2),
    "lying-lzma.zip": lambda: lying_zip(zipfile.ZIP_LZMA),
    "members.zip": zip_of_many_members,
    "large.tar.gz": lambda: gzip.compress(tar({f"{i}.png": ZEROS for i in range(3)}), 1),
    "large.tar.xz": lambda: lzma.compress(tar({f"{i}.png": ZEROS for i in range(2)}), preset=0),
    "skipped.tar.bz2": lambda: bz2.compress(tar({"a.txt": ZEROS * 4})),
    "window.tar.xz": lambda: lzma.compress(
        tar(), filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 3 << 29}]
    ),
    "pax.tar.gz": lambda: gzip.compress(tar_of_headers(b"x", 300 << 20, b"9 k=v123\n" * 999), 1),
    "globals.tar": lambda: tar_of_headers(b"g", 40 << 20, b"9 k=v123\n" * 999),
    "names.tar.gz": lambda: gzip.compress(tar_of_headers(b"L", 300 << 20, b"n" * 1000), 1),
    "zeros.tar.gz": lambda: gzip.compress(ZEROS * 5, 1),
    "padding.tar.gz": lambda: gzip.compress(tar() + ZEROS * 3, 1),
    "claim.npy": lambda: npy_header((1, 10**5, 10**5)),
    "count.npy": lambda: npy_header((10**15, 28, 28)),
    "large-idx3-ubyte.gz": lambda: gzip.compress(idx_header(3, 10_000) + ZEROS * 3, 1),
    "claim-idx3-ubyte": lambda: idx_header(0xFFFFFFFF, 0xFFFFFFFF),
}
FAST = {"lying-bzip2.zip", "window.tar.xz", "globals.tar", "claim.npy", "claim-idx3-ubyte"}


def npy_header(shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(28 * 28)


@needs_proc
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in BOMBS]
)
def test_a_bomb_takes_bounded_memory_and_what_follows_is_predicted(
    tmp_path: Path, name: str
) -> None:
    path, picture = tmp_path / name, SAMPLES / "7-mnist.png"
    path.write_bytes(BOMBS[name]())
    assert path.stat().st_size < 50_000_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(picture)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert int(done.stderr) < MOST
    *errors, last = rows(done.stdout)
    assert errors[-1]["error"].startswith(str(path))
    assert last["digit"] == 7
