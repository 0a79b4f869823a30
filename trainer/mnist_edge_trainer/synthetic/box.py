"""MNIST's box: where a drawing is put so that it looks like one of the dataset's digits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mnist_edge.types import BOX, SIDE, GrayImage

__all__ = ["fit_to_box"]


def fit_to_box(image: Image.Image) -> GrayImage:
    """Fits a drawing, light on black, into the 20 x 20 box in the middle of 28 x 28 pixels.

    Returns:
        uint8 ``[28, 28]``; all black where nothing is drawn.
    """
    drawn = image.getbbox()
    if drawn is None:
        return np.zeros((SIDE, SIDE), np.uint8)
    image = image.crop(drawn)
    scale = BOX / max(image.size)
    width = max(1, round(image.width * scale))
    height = max(1, round(image.height * scale))
    page = Image.new("L", (SIDE, SIDE))
    page.paste(
        image.resize((width, height), Image.Resampling.HAMMING),
        ((SIDE - width) // 2, (SIDE - height) // 2),
    )
    return np.asarray(page)
