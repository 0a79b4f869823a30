"""Files that hold many pictures: zip and tar archives, IDX and NumPy arrays.

One picture at a time is in memory, or a few hundred of an array. A file that breaks off gives all
pictures before the break, and then an entry that says what is wrong.
"""

from __future__ import annotations

import gzip
import math
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import numpy as np

from mnist_edge.mnist import idx_shape
from mnist_edge.types import Pixels

__all__ = ["read_archive", "read_array"]

Entry = tuple[str, bytes | Pixels | None, str | None]
"""Name of a picture, its content, and why there is none."""

_LARGEST = 1 << 28
"""Bytes that a picture in an archive may have at most."""

_AT_A_TIME, _BLOCK = 512, 1 << 22
"""Pictures of an array that are read at once, and their bytes, one picture apart."""

_IMAGES_HEADER = 16
"""Bytes of the header of an IDX file of pictures: magic number, count, height, width."""

_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, ValueError)


def read_archive(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in a zip or tar archive, in its order; names are ``ARCHIVE/MEMBER``.

    Args:
        path: of the archive, compressed or not.
        is_wanted: whether a file of that name is taken.
    """
    read = _read_zip if path.lower().endswith(".zip") else _read_tar
    yield from _until_damage(path, read(path, is_wanted))


def read_array(path: str, _: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in an IDX or ``.npy`` file; names are ``FILE[INDEX]``."""
    read = _read_npy if path.lower().endswith(".npy") else _read_idx
    yield from _until_damage(path, read(path))


def _until_damage(path: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    try:
        yield from entries
    except FileNotFoundError:
        yield path, None, f"{path}: no such file"
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else str(error)
        yield path, None, f"{path}: cannot be read ({reason})"
    except _DAMAGE as error:
        yield path, None, f"{path}: damaged ({str(error) or type(error).__name__})"


def _read_zip(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir() or not is_wanted(_base_name(member.filename)):
                continue
            name = f"{path}/{member.filename}"
            if member.file_size > _LARGEST:
                yield name, None, f"{name}: {member.file_size} bytes is more than is safe to read"
                continue
            try:
                yield name, archive.read(member), None
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
                # Encrypted, compressed in a way of its own, or damaged: the next may be whole.
                yield name, None, f"{name}: cannot be unpacked ({error})"


def _read_tar(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            # The archive remembers all that it has shown; a million members are too many.
            archive.members = []  # type: ignore[attr-defined]
            if not member.isfile() or not is_wanted(_base_name(member.name)):
                continue
            name = f"{path}/{member.name}"
            if member.size > _LARGEST:
                yield name, None, f"{name}: {member.size} bytes is more than is safe to read"
                continue
            file = archive.extractfile(member)
            yield name, file.read() if file is not None else b"", None


def _base_name(member: str) -> str:
    """The name of a file in an archive without its folders; that of a hidden folder it is in."""
    parts = member.replace("\\", "/").split("/")
    return next((part for part in parts if part.startswith((".", "__MACOSX"))), parts[-1])


def _read_idx(path: str) -> Iterator[Entry]:
    with _open(path) as file:
        shape = idx_shape(file.read(_IMAGES_HEADER))
        if shape is None or len(shape) != 3:
            raise ValueError("not an IDX file of pictures of unsigned bytes")
        count, height, width = shape
        if not 0 < height * width <= _LARGEST:
            raise ValueError(f"its pictures are {height} x {width}")
        yield from _pictures(file, path, count, (height, width), np.dtype(np.uint8))


def _open(path: str) -> IO[bytes] | gzip.GzipFile:
    if path.lower().endswith(".gz"):
        return gzip.open(path)
    return open(path, "rb")


def _read_npy(path: str) -> Iterator[Entry]:
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, by_column, kind = read_header(file)
        if by_column or kind.hasobject:
            raise ValueError("its pixels must be numbers, stored row by row (C order)")
        if len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)):
            shape = (1, *shape)
        if len(shape) not in (3, 4) or 0 in shape[1:]:
            raise ValueError(
                f"its shape is {list(shape)}; use [N, H, W], [N, H, W, 3] or [N, H, W, 4]"
            )
        count, *shape_of_one = shape
        yield from _pictures(file, path, count, shape_of_one, kind)


def _pictures(
    file: IO[bytes] | gzip.GzipFile,
    path: str,
    count: int,
    shape: Sequence[int],
    kind: np.dtype[np.generic],
) -> Iterator[Entry]:
    """Pictures of one shape, one after the other in a file, of which some hundreds are read."""
    size = math.prod(shape) * kind.itemsize
    at_a_time = max(1, min(_AT_A_TIME, _BLOCK // size))
    for start in range(0, count, at_a_time):
        wanted = min(at_a_time, count - start)
        content = file.read(wanted * size)
        whole = len(content) // size
        pictures = np.frombuffer(content[: whole * size], kind).reshape(whole, *shape)
        for index, picture in enumerate(pictures, start):
            yield f"{path}[{index}]", picture, None
        if whole < wanted:
            raise ValueError(f"breaks off after {start + whole} of {count} pictures")
