"""Arrays of every kind that people keep pictures in -> uint8 pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageReadError
from mnist_edge.types import Pixels

__all__ = ["to_uint8"]

Array = npt.NDArray[np.generic]

_CHANNELS = (1, 2, 3, 4)
"""Gray, gray and alpha, RGB, RGBA."""

_NEAR_ONE = 1.001
"""Floats up to this lie in 0..1: scaling a picture overshoots a little."""

_NEXT_LEVEL = 2
"""Floats from this on lie in 0..255; between the two they could be either."""

_ROWS_AT_ONCE = 1 << 20
"""Values that are converted at once, as floats; in whole rows."""


def to_uint8(array: Array, name: str) -> Pixels:
    """Pixels of one picture, in 0..255.

    Args:
        array: ``[H, W]``, ``[H, W, C]`` or ``[C, H, W]`` with C = 1 (gray), 3 (RGB) or 4 (RGBA),
            or ``[H, W, 2]`` (gray and alpha), behind any number of axes of length 1. Of bool;
            integers in 0..255; integers of 16 bits, of which some are larger, in the range of their
            type; floats in 0..1, or in 0..255.
        name: what the error calls it.

    Returns:
        uint8 ``[H, W]``, ``[H, W, 2]``, ``[H, W, 3]`` or ``[H, W, 4]``, contiguous.

    Raises:
        ImageReadError: it has another shape, type or range, or holds several pictures.
    """
    array = _channels_last(np.asarray(array), name)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise ImageReadError(f"{name}: pixels of type {array.dtype}; use uint8, or floats in 0..1")
    return _scaled(array, _scale(array, name))


def _channels_last(array: Array, name: str) -> Array:
    """``[H, W]`` or ``[H, W, C]``, C = 2, 3 or 4."""
    shape = list(array.shape)
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.size == 0 or array.ndim < 2:
        advice = "; reshape it to [28, 28]" if shape == [28 * 28] else ""
        raise ImageReadError(f"{name}: an array of shape {shape} is not a picture{advice}")
    if array.ndim == 3 and array.shape[2] not in _CHANNELS and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim > 3 or (array.ndim == 3 and array.shape[2] not in _CHANNELS):
        raise ImageReadError(
            f"{name}: an array of shape {shape} is not one picture; use [H, W], [H, W, 3] or "
            "[H, W, 4], and `stream` for several pictures"
        )
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _scale(array: Array, name: str) -> float:
    """What the values are to be multiplied with.

    Raises:
        ImageReadError: they lie in no range that pixels have.
    """
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f":
        if low >= 1 - _NEAR_ONE and high <= _NEAR_ONE:
            return 255.0
        if low >= 0 and _NEXT_LEVEL <= high <= 255:
            return 1.0
        raise ImageReadError(
            f"{name}: float pixels must lie in 0..1 or in 0..255, not in {low:.4g}..{high:.4g}"
        )
    if low >= 0 and high <= 255:
        return 1.0
    if low >= 0 and array.dtype.itemsize == 2:
        return 255 / (65_535 if array.dtype.kind == "u" else 32_767)
    raise ImageReadError(
        f"{name}: pixels of type {array.dtype} must lie in 0..255, not in {low:.0f}..{high:.0f}; "
        "for 16 bits use uint16"
    )


def _scaled(array: Array, scale: float) -> Pixels:
    """Multiplies some rows at a time: as floats, a large picture takes several times its memory."""
    pixels = np.empty(array.shape, np.uint8)
    rows = max(1, _ROWS_AT_ONCE * len(array) // array.size)
    for start in range(0, len(array), rows):
        values = array[start : start + rows].astype(np.float32) * np.float32(scale)
        pixels[start : start + rows] = np.rint(values).clip(0, 255)
    return pixels
