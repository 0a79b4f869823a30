"""A picture of anything -> the same picture in grey, 28 x 28, for networks that tell no digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.types import Pixels

__all__ = ["resize_pad"]

_SIDE = 28

Grey = npt.NDArray[np.uint8]


def resize_pad(picture: Pixels) -> Grey:
    """Fits the whole picture into 28 x 28; what is left at two sides gets its border's median.

    Args:
        picture: uint8 ``[H, W]``, or ``[H, W, 3]`` RGB, whose luma (ITU-R BT.601) is taken.

    Returns:
        uint8 ``[28, 28]``, as light as `picture` is: areas averaged where it is larger, bilinear
        where it is smaller, untouched where it is 28 x 28 already.
    """
    grey = picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))
    height, width = grey.shape
    longer = max(height, width)
    size = tuple(max(1, round(side * _SIDE / longer)) for side in (height, width))
    return _padded(_resized(grey, *size), _border(grey))


def _resized(grey: Grey, height: int, width: int) -> Grey:
    if height > grey.shape[0] or width > grey.shape[1]:
        enlarged = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(enlarged)
    # Pillow's box counts a pixel in or out, which at 32 to 28 leaves out lines of the picture.
    down, across = _areas(grey.shape[0], height), _areas(grey.shape[1], width)
    reduced: Grey = np.rint(down @ grey.astype(np.float32) @ across.T).astype(np.uint8)
    return reduced


def _areas(many: int, few: int) -> npt.NDArray[np.float32]:
    """Parts of each of `few` equal lengths that each of `many` covers, ``[few, many]``."""
    ends = np.arange(1, few + 1)[:, np.newaxis] * (many / few)
    starts = ends - many / few
    pixels = np.arange(many)
    covered = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    parts: npt.NDArray[np.float32] = np.clip(covered, 0, None).astype(np.float32) * (few / many)
    return parts


def _border(grey: Grey) -> int:
    """Median along the four sides."""
    sides = (grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1])
    return round(float(np.median(np.concatenate(sides))))


def _padded(grey: Grey, paper: int) -> Grey:
    """In the middle of 28 x 28."""
    height, width = grey.shape
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    picture = np.full((_SIDE, _SIDE), paper, dtype=np.uint8)
    picture[top : top + height, left : left + width] = grey
    return picture
