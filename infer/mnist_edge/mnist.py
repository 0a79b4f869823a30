"""The MNIST files on disk: found, verified, read into arrays; the one reader of IDX files.

It needs numpy alone, so that the benchmark can measure accuracy on a device without torch. The
trainer reads every dataset of MNIST's format with it, the command line every IDX file.

The format is IDX (LeCun, http://yann.lecun.com/exdb/mnist/): a big-endian header of a magic
number, whose last byte counts the dimensions, and one 32-bit size per dimension; then the bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import DatasetError

__all__ = [
    "FILES",
    "FOLDERS",
    "REPLACE_ADVICE",
    "Bytes",
    "MnistFile",
    "Split",
    "SplitFiles",
    "find_dataset",
    "idx_header",
    "idx_shape",
    "load_split",
    "read_idx",
    "read_split",
]

Split = Literal["train", "test"]
Bytes = npt.NDArray[np.uint8]

_UNSIGNED_BYTES = b"\0\0\x08"
"""What an IDX file of unsigned bytes begins with."""

_LARGEST, _PIECE = 1 << 30, 1 << 20
"""Bytes of a file at most, unpacked: EMNIST's largest has 640 million; bytes read at once."""

REPLACE_ADVICE = (
    "delete it and train with the same --data to download it again, or copy an intact one here"
)
"""What to do about a damaged file."""


@dataclass(frozen=True)
class MnistFile:
    """One of the four canonical files.

    Attributes:
        name: file name without ``.gz``; the compressed file adds that suffix.
        sha256: of the *uncompressed* content, so that a recompressed or unpacked copy passes too;
            empty = none was published.
    """

    name: str
    sha256: str


SplitFiles: TypeAlias = Mapping[Split, tuple[MnistFile, MnistFile]]
"""A dataset's files: images and labels of each split, in that order."""

FILES: SplitFiles = {
    "train": (
        MnistFile(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        MnistFile(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        MnistFile(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        MnistFile(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}
"""MNIST's files."""

FOLDERS = ("", "MNIST/raw")
"""Where they may lie within a folder: in it, or where torchvision keeps them."""


def find_dataset(
    directory: Path, split: Split, files: SplitFiles = FILES, folders: Sequence[str] = FOLDERS
) -> list[Path]:
    """Finds the files of a split, compressed (``.gz``) or not.

    Args:
        directory: the folder to search.
        split: of the dataset.
        files: what they are called.
        folders: where they may lie within `directory`, in order of preference.

    Returns:
        paths of the images and the labels; empty where one is missing.
    """
    for name in folders:
        folder = directory / name
        paths = [
            path
            for file in files[split]
            for path in _first_file(folder / f"{file.name}.gz", folder / file.name)
        ]
        if len(paths) == len(files[split]):
            return paths
    return []


def _first_file(*paths: Path) -> list[Path]:
    return [path for path in paths if os.path.isfile(path)][:1]


def load_split(directory: str | os.PathLike[str], split: Split) -> tuple[Bytes, Bytes]:
    """Reads and verifies one split of MNIST.

    Args:
        directory: holds the four files, or has them in ``MNIST/raw``.
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns:
        images uint8 ``[N, 28, 28]``, 0 = background and 255 = ink; labels uint8 ``[N]``, 0 to 9.

    Raises:
        DatasetError: a file is missing, or its checksum is not the canonical one.
    """
    folder = Path(directory)
    paths = find_dataset(folder, split)
    if not paths:
        names = " and ".join(f"{file.name}.gz" for file in FILES[split])
        raise DatasetError(
            f"{folder}: no MNIST {split} files here (looked for {names}, also in MNIST/raw); "
            "point --data at a folder that has them"
        )
    return read_split(paths, FILES[split])


def read_split(
    paths: Sequence[Path],
    files: tuple[MnistFile, MnistFile],
    misplaced: Mapping[str, str] | None = None,
) -> tuple[Bytes, Bytes]:
    """Reads and verifies the files of a split.

    Args:
        paths: of the images and the labels (see `find_dataset`).
        files: their checksums.
        misplaced: SHA-256 of other datasets' files -> what to report of one that is found here.

    Returns:
        images and labels, in the shapes that the files have.

    Raises:
        DatasetError: a file cannot be read, is damaged, or is misplaced.
    """
    images, labels = (
        read_idx(_verified(path, file, misplaced or {}), path)
        for path, file in zip(paths, files, strict=True)
    )
    return images, labels


def _verified(path: Path, file: MnistFile, misplaced: Mapping[str, str]) -> bytes:
    content = _decompressed(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest in misplaced:
        raise DatasetError(f"{path}: {misplaced[digest]}")
    if file.sha256 and digest != file.sha256:
        raise DatasetError(f"{path}: damaged (wrong SHA-256); {REPLACE_ADVICE}")
    return content


def _decompressed(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in ``.gz``."""
    content = io.BytesIO()  # gives its bytes without a copy
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while piece := file.read(_PIECE):
                content.write(piece)
                if content.tell() > _LARGEST:
                    raise DatasetError(f"{path}: larger than {_LARGEST >> 30} GiB; not a dataset")
    except MemoryError as error:
        raise DatasetError(f"{path}: there is not enough memory to read it") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: damaged ({error}); {REPLACE_ADVICE}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
    return content.getvalue()


def read_idx(content: bytes, name: str | os.PathLike[str] = "<bytes>") -> Bytes:
    """Parses an uncompressed IDX file of unsigned bytes.

    Args:
        content: the whole file.
        name: what to call it in an error.

    Returns:
        uint8 array in the file's shape.

    Raises:
        DatasetError: the header is not an IDX header, or the length does not fit it.
    """
    shape = idx_shape(content)
    if shape is None:
        raise DatasetError(f"{name}: not an IDX file of unsigned bytes")
    start = len(idx_header(shape))
    if len(content) - start != math.prod(shape):
        raise DatasetError(f"{name}: truncated IDX file (its header says {shape})")
    try:
        return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # more dimensions, or larger ones, than NumPy has
        raise DatasetError(f"{name}: not an IDX file of a usual shape ({error})") from error


def idx_shape(content: bytes) -> tuple[int, ...] | None:
    """Parses the header of an IDX file of unsigned bytes.

    Args:
        content: the file, or its beginning.

    Returns:
        the shape of the array in it; None where there is no such header, or not all of it.
    """
    if content[:3] != _UNSIGNED_BYTES or len(content) < 4:
        return None
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        return None
    return struct.unpack_from(f">{dimensions}I", content, 4)


def idx_header(shape: Sequence[int]) -> bytes:
    """Writes the header of an IDX file of unsigned bytes, in the shape given."""
    return _UNSIGNED_BYTES + struct.pack(f">B{len(shape)}I", len(shape), *shape)
