"""Types that several modules share: arrays, image sources, kinds of preprocessing."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "BOX",
    "CENTER",
    "DIGITS",
    "SIDE",
    "FloatImage",
    "GrayImage",
    "ImageSource",
    "Mask",
    "Pixels",
    "Preprocessing",
]

SIDE = 28
"""Height and width of a network's input, pixels."""

BOX = 20
"""Longer side of a digit in it, pixels: the box that MNIST's digits were normalized to."""

CENTER = 14
"""Pixel index that a digit's centre of mass is moved to; measured on all 70,000 MNIST images."""

DIGITS = tuple("0123456789")
"""Names of MNIST's classes: the labels of a model whose file names none."""

GrayImage: TypeAlias = npt.NDArray[np.uint8]
"""uint8 ``[H, W]``, or ``[N, H, W]``, where a docstring says so; 0 = black, 255 = white."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""A decoded picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB."""

FloatImage: TypeAlias = npt.NDArray[np.float32]
"""float32 ``[H, W]``; the docstring says the range."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""bool ``[H, W]``; True = ink."""

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image"
    " | npt.NDArray[np.generic]"
)
"""A picture to decode: a path, an encoded file's bytes, an open binary file, a PIL image, an array.

Arrays are ``[H, W]`` gray, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA; channels may come first. They
are of uint8, other integers in 0..255, uint16 in 0..65535, bool, or floats in 0..1 or 0..255.
"""


class Preprocessing(StrEnum):
    """How a picture becomes a network's input; the value is the version in a model's metadata."""

    DIGIT = "2"
    """Find the digit, crop it, normalize it as MNIST's digits were."""

    PLAIN = "plain-1"
    """Resize the whole picture to 28 x 28 and pad it: for clothes, characters, anything."""
