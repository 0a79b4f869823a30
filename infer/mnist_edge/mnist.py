"""The MNIST files on disk: found, verified, read into arrays.

This reader needs numpy alone, so that the benchmark can measure accuracy on a device without
torch. The trainer uses it too: there is one reader of the dataset.

The format is IDX (LeCun, http://yann.lecun.com/exdb/mnist/): a big-endian header of a magic
number, whose last byte counts the dimensions, and one 32-bit size per dimension; then the bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import DatasetError

__all__ = [
    "FILES",
    "Bytes",
    "MnistFile",
    "Split",
    "decompressed",
    "find_dataset",
    "load_split",
    "read_idx",
]

Split = Literal["train", "test"]
Bytes = npt.NDArray[np.uint8]

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class MnistFile:
    """One of the four canonical files.

    Attributes:
        name: file name without ``.gz``; the compressed file adds that suffix.
        sha256: of the *uncompressed* content, so that a recompressed or unpacked copy passes too.
    """

    name: str
    sha256: str


FILES: dict[Split, tuple[MnistFile, MnistFile]] = {
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
"""Images and labels of each split, in that order."""


def find_dataset(directory: Path, split: Split) -> list[Path]:
    """Paths of the images and the labels of `split`, in that order; empty if one is missing.

    The files may lie in `directory` itself or where torchvision keeps them, in
    ``directory/MNIST/raw``, compressed (``.gz``) or not.
    """
    for folder in (directory, directory / "MNIST" / "raw"):
        paths = [
            path
            for file in FILES[split]
            for path in (folder / f"{file.name}.gz", folder / file.name)
            if os.path.isfile(path)
        ]
        by_name = {path.name.removesuffix(".gz"): path for path in reversed(paths)}
        if len(by_name) == len(FILES[split]):
            return [by_name[file.name] for file in FILES[split]]
    return []


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
    images, labels = (
        _read_verified(path, file) for path, file in zip(paths, FILES[split], strict=True)
    )
    return images, labels


def _read_verified(path: Path, file: MnistFile) -> Bytes:
    content = decompressed(path)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DatasetError(f"{path}: damaged (wrong SHA-256); {_REPLACE_ADVICE}")
    return read_idx(content, path)


def decompressed(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in ``.gz``.

    Raises:
        DatasetError: it cannot be read, or is damaged.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: damaged ({error}); {_REPLACE_ADVICE}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error


_REPLACE_ADVICE = (
    "delete it and train with the same --data to download it again, or copy an intact one here"
)


def read_idx(content: bytes, name: str | os.PathLike[str] = "<bytes>") -> Bytes:
    """Parses an uncompressed IDX file of unsigned bytes.

    Args:
        content: the whole file.
        name: what to call it in an error.

    Returns:
        uint8 array in the file's shape.

    Raises:
        DatasetError: the header is no IDX header, or the length does not fit it.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise DatasetError(f"{name}: not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], dtype=">u4"))
    if len(shape) != dimensions or len(content) - start != int(np.prod(shape)):
        raise DatasetError(f"{name}: truncated IDX file (its header says {shape})")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
