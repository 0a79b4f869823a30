"""Sheets with one digit, as a drawing page makes them: sharp strokes, somewhere, of some size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mnist_edge.types import GrayImage

__all__ = ["SHEET", "draw"]

SHEET = 160
"""Side of a sheet, pixels."""


def draw(digits: GrayImage, seed: int = 0) -> GrayImage:
    """Draws digits of MNIST enlarged, dark on light or light on dark.

    Args:
        digits: uint8 ``[N, 28, 28]``.
        seed: of their places, sizes and colours.

    Returns:
        uint8 ``[N, SHEET, SHEET]``.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_sheet(digit, rng) for digit in digits])


def _sheet(digit: GrayImage, rng: np.random.Generator) -> GrayImage:
    width, height = (int(side) for side in rng.integers(50, SHEET - 1, 2))
    width = min(max(width, height // 2), 2 * height, SHEET - 2)
    large = Image.fromarray(digit).resize((width, height), Image.Resampling.BICUBIC)
    # An edge is two pixels wide, as a canvas smooths it.
    ink = np.clip((np.asarray(large, np.float32) - 96) / 64, 0, 1)
    left, top = (int(rng.integers(1, SHEET - side)) for side in (width, height))
    sheet = np.zeros((SHEET, SHEET), np.float32)
    sheet[top : top + height, left : left + width] = ink
    paper, pen = rng.uniform(200, 255), rng.uniform(0, 80)
    if rng.random() < 0.3:
        paper, pen = pen, paper
    levels: GrayImage = np.rint(paper + (pen - paper) * sheet).astype(np.uint8)
    return levels
