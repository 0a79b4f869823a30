"""IDX and NumPy arrays of pictures -> the pictures, a few hundred of them in memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.limits import LARGEST_DECODED, LARGEST_FILE
from mnist_edge.inputs.members import Entry
from mnist_edge.inputs.unpack import ForwardReader, open_forward
from mnist_edge.mnist import idx_shape

__all__ = ["read_idx_pictures", "read_npy"]

_AT_A_TIME, _BLOCK = 512, 1 << 22
"""Pictures of an array that are read at once, and their bytes, one picture apart."""

_IMAGES_HEADER = 16
"""Bytes of the header of an IDX file of pictures: magic number, count, height, width."""

_LONGEST_HEADER = 1 << 16
"""Bytes that the header of a NumPy file may have."""

_FREE = 16 << 20
"""Bytes that an IDX file may unpack to whatever its size: blank pictures come by the million."""

_SMALLEST = 16
"""Pixels that a picture must have to be one."""

_NUMBERS = "buif"
"""Kinds of NumPy's types that pixels may have."""


def read_idx_pictures(path: str) -> Iterator[Entry]:
    """The pictures in an IDX file, packed or not; names are ``FILE[INDEX]``.

    Raises:
        Exception: of any class, where the file is damaged or cannot be read.
    """
    with open_forward(path, _FREE) as file:
        shape = idx_shape(file.read(_IMAGES_HEADER))
        if shape is None or len(shape) != 3:
            raise ImageReadError("damaged (not an IDX file of pictures of unsigned bytes)")
        _check_size(shape[1:], math.prod(shape[1:]), LARGEST_FILE)
        yield from _pictures(file, path, shape[0], shape[1:], np.dtype(np.uint8))


def read_npy(path: str) -> Iterator[Entry]:
    """The pictures in a NumPy file; names are ``FILE[INDEX]``.

    Raises:
        Exception: of any class, where the file is damaged or cannot be read.
    """
    with open(path, "rb") as opened:
        file = ForwardReader(opened)
        file.allow(_LONGEST_HEADER)
        shape, by_column, kind = _npy_header(file)
        if by_column or kind.kind not in _NUMBERS:
            raise ImageReadError(
                "damaged (its pixels must be numbers, stored row by row in C order)"
            )
        if len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)):
            shape = (1, *shape)
        if len(shape) not in (3, 4) or min(shape) < 0:
            raise ImageReadError(
                f"damaged (its shape is {list(shape)}; use [N, H, W], [N, H, W, 3] or [N, H, W, 4])"
            )
        _check_size(shape[1:], math.prod(shape[1:]) * kind.itemsize, LARGEST_DECODED)
        yield from _pictures(file, path, shape[0], shape[1:], kind)


def _npy_header(file: ForwardReader) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether it is stored by column, type."""
    version = np.lib.format.read_magic(file)
    with warnings.catch_warnings():
        # Headers that Python 2 wrote are read all the same; what a damaged one holds, is no matter.
        warnings.simplefilter("ignore")
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)


def _check_size(shape: Sequence[int], size: int, most: int) -> None:
    if math.prod(shape) < _SMALLEST or not 0 < size <= most:
        raise ImageReadError(f"damaged (its pictures are {list(shape)}, {size} bytes each)")


def _pictures(
    file: ForwardReader, path: str, count: int, shape: Sequence[int], kind: np.dtype[np.generic]
) -> Iterator[Entry]:
    """Pictures of one shape, one after the other in a file, of which some hundreds are read."""
    size = math.prod(shape) * kind.itemsize
    at_a_time = max(1, min(_AT_A_TIME, _BLOCK // size))
    for start in range(0, count, at_a_time):
        wanted = min(at_a_time, count - start)
        file.allow(wanted * size)
        content = file.read(wanted * size)
        whole = len(content) // size
        pictures = np.frombuffer(content, kind, whole * math.prod(shape)).reshape(whole, *shape)
        for index, picture in enumerate(pictures, start):
            yield f"{path}[{index}]", picture, None
        if whole < wanted:
            raise ImageReadError(f"damaged (breaks off after {start + whole} of {count} pictures)")
        # The next ones are read once these are gone.
        del content, pictures, picture
    file.allow(1)
    if file.read(1):
        raise ImageReadError(f"damaged (data after the last of {count} pictures)")
