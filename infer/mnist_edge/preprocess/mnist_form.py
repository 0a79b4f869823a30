"""Recognizes images that were already made as MNIST's were: they pass unchanged."""

from __future__ import annotations

import numpy as np

from mnist_edge.types import BOX, CENTER, SIDE, GrayImage, Mask

__all__ = ["is_mnist_form"]

_ONES = np.ones(SIDE, np.float32)
_INDICES = np.arange(SIDE, dtype=np.float32)

_OFF_CENTER = 0.52
"""Pixels that a centre of mass may lie off the middle: half a pixel, and rounding."""


def is_mnist_form(images: GrayImage) -> Mask:
    """Whether each image has the properties that all 70,000 of MNIST have.

    These are an exactly black background, a longer side of 19 or 20 pixels, and a centre of mass
    within half a pixel of pixel 14, or a digit so lopsided that it touches the border instead.

    Args:
        images: uint8 ``[N, 28, 28]``.

    Returns:
        bool ``[N]``.
    """
    ink = images.astype(np.float32)
    # Sums along an axis as products with ones: the fastest way for so few. Rows, then columns.
    lines = np.stack((ink @ _ONES, _ONES @ ink))
    inked = lines > 0
    start, stop = inked.argmax(axis=2), SIDE - inked[..., ::-1].argmax(axis=2)
    mass = np.maximum(lines @ _ONES, 1)  # an image without ink has no centre, and is too long
    off = (lines @ _INDICES) / mass - CENTER
    lopsided = np.where(off > 0, start == 0, stop == SIDE)
    is_centered: Mask = ((np.abs(off) < _OFF_CENTER) | lopsided).all(axis=0)
    longest = (stop - start).max(axis=0)
    is_centered &= (longest == BOX - 1) | (longest == BOX)
    return is_centered
