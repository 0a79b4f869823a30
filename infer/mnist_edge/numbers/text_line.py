"""A line of digits that was cut out of a picture, and where it lay there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.types import GrayImage

__all__ = ["LINE_HEIGHT", "TextLine"]

LINE_HEIGHT = 32
"""Height of a line's image, pixels; digits fill about 24 of them."""


@dataclass(frozen=True, eq=False)
class TextLine:
    """One line of a picture, straightened.

    Attributes:
        image: uint8 ``[32, W]``, 0 = background, 255 = ink.
        to_picture: float64 ``[2, 3]``: maps ``(x, y, 1)`` in the image, pixels, to x and y in the
            picture, pixels of its full size; the corner of a picture is (0, 0).
        confidence: that this is a line of digits, 0..1.
        least_confidence: a number on it that is less certain is none, 0..1.
    """

    image: GrayImage
    to_picture: npt.NDArray[np.float64]
    confidence: float = 1.0
    least_confidence: float = 0.0
