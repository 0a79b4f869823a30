"""Any picture -> the same picture in gray, 28 x 28, for networks of other classes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mnist_edge.types import SIDE, FloatImage, GrayImage, Pixels

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
    down, across = _area_weights(gray.shape[0], height), _area_weights(gray.shape[1], width)
    reduced: GrayImage = np.rint(down @ gray.astype(np.float32) @ across.T).astype(np.uint8)
    return reduced


def _area_weights(many: int, few: int) -> FloatImage:
    """Computes the part of each of `few` equal lengths that each of `many` covers: [few, many]."""
    ends = np.arange(1, few + 1)[:, np.newaxis] * (many / few)
    starts = ends - many / few
    pixels = np.arange(many)
    covered = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    weights: FloatImage = np.clip(covered, 0, None).astype(np.float32) * (few / many)
    return weights
