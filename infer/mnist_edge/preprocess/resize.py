"""Any picture -> the same picture in gray, 28 x 28, for networks of other classes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.types import SIDE, GrayImage, Pixels

__all__ = ["resize_pad"]


def resize_pad(picture: Pixels) -> GrayImage:
    """Fits the whole picture into 28 x 28, and pads it with the median of its border.

    Args:
        picture: uint8 ``[H, W]``, or ``[H, W, 3]`` RGB, whose luma (ITU-R BT.601) is taken.

    Returns:
        uint8 ``[28, 28]``, as light as `picture` is: areas averaged where it is larger, bilinear
        where it is smaller, untouched where it is 28 x 28 already.
    """
    gray = picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))
    longer = max(gray.shape)
    height, width = (max(1, round(side * SIDE / longer)) for side in gray.shape)
    border = np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]])
    padded = np.full((SIDE, SIDE), round(float(np.median(border))), dtype=np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    padded[top : top + height, left : left + width] = _resample(gray, height, width)
    return padded


def _resample(gray: GrayImage, height: int, width: int) -> GrayImage:
    if height > gray.shape[0] or width > gray.shape[1]:
        enlarged = Image.fromarray(gray).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(enlarged)
    # Pillow's box counts a pixel in or out, which at 32 to 28 leaves out lines of the picture.
    # All sums are whole numbers, below 2^24 in float32 and 2^53 in float64, and so they are exact.
    down, across = _overlaps(gray.shape[0], height), _overlaps(gray.shape[1], width)
    lines = (down.astype(np.float32) @ gray.astype(np.float32)).astype(np.float64)
    reduced: GrayImage = np.rint(lines @ across.T / math.prod(gray.shape)).astype(np.uint8)
    return reduced


def _overlaps(many: int, few: int) -> npt.NDArray[np.float64]:
    """Lengths that `few` and `many` equal parts of a line share: ``[few, many]``.

    The line is `many` times `few` long, so that both begin and end at whole numbers.
    """
    starts, pixels = np.arange(few)[:, np.newaxis] * many, np.arange(many) * few
    shared = np.minimum(starts + many, pixels + few) - np.maximum(starts, pixels)
    overlaps: npt.NDArray[np.float64] = np.maximum(shared, 0).astype(np.float64)
    return overlaps
