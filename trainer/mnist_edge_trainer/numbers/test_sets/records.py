"""Pictures of numbers with their truth, and the hands that wrote the digits."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.types import GrayImage

__all__ = ["Box", "Hand", "Mark", "NumberPicture", "Plane", "Rng", "bounds", "encode"]

Rng: TypeAlias = np.random.Generator

Plane: TypeAlias = npt.NDArray[np.floating[Any]]
"""Coverage of a page's pixels, or levels: floats ``[H, W]`` or ``[H, W, 3]``, 0..1."""

Box: TypeAlias = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)``, pixels; the corner of a picture is (0, 0)."""

_INK = 0.25
"""Coverage from which a pixel belongs to a digit's box."""


@dataclass(frozen=True, eq=False)
class Hand:
    """Digits that one person wrote.

    Attributes:
        images: uint8 ``[N, 28, 28]`` in MNIST form, 0 = background, 255 = ink.
        labels: uint8 ``[N]``, 0 to 9.
    """

    images: GrayImage
    labels: npt.NDArray[np.uint8]

    def write(self, length: int, rng: Rng) -> tuple[list[Plane], str]:
        """Writes a number: each digit one of this hand's, any digit that it has as likely.

        Returns:
            the images, float32 ``[28, 28]`` in 0..1, and the number.
        """
        digits = rng.choice(np.unique(self.labels), length)
        chosen = [int(rng.choice(np.flatnonzero(self.labels == digit))) for digit in digits]
        images = [self.images[index].astype(np.float32) / 255 for index in chosen]
        return images, "".join(str(digit) for digit in digits)


@dataclass(frozen=True, eq=False)
class Mark:
    """Ink on a page, before it is photographed.

    Attributes:
        ink: float32 ``[H, W]``, coverage of each pixel, 0..1.
        x, y: where its upper left corner lies on the page, pixels.
    """

    ink: Plane
    x: int
    y: int

    def points(self) -> npt.NDArray[np.float64]:
        """The corners of its outermost inked pixels, on the page: float64 ``[N, 2]``, x and y."""
        ys, xs = np.nonzero(self.ink >= min(_INK, float(self.ink.max()) / 2))
        rows = [
            (end + side, row)
            for row in np.unique(ys)
            for end, side in ((xs[ys == row].min(), 0), (xs[ys == row].max(), 1))
        ]
        corners = np.array([(x, y + down) for x, y in rows for down in (0, 1)], np.float64)
        placed: npt.NDArray[np.float64] = corners + np.array([self.x, self.y])
        return placed


@dataclass(frozen=True, eq=False)
class NumberPicture:
    """A picture of one number, as a user would have it.

    Attributes:
        content: PNG or JPEG file.
        text: the digits, left to right.
        boxes: one for each digit: the bounds of its ink, pixels of the picture.
    """

    content: bytes
    text: str
    boxes: tuple[Box, ...]

    def pixels(self) -> GrayImage:
        """Decodes it: uint8 ``[H, W]`` or ``[H, W, 3]``."""
        return np.asarray(Image.open(io.BytesIO(self.content)))


def bounds(points: npt.NDArray[np.float64]) -> Box:
    """Bounds points ``[N, 2]``."""
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x0, y0, x1, y1


def encode(levels: Plane, kind: Literal["PNG", "JPEG"] = "PNG", quality: int = 90) -> bytes:
    """Encodes a picture.

    Args:
        levels: ``[H, W]`` or ``[H, W, 3]``, 0..1; cut off at both ends.
        kind: of file.
        quality: of a JPEG, 1..95.
    """
    file = io.BytesIO()
    pixels = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    options = {"quality": quality} if kind == "JPEG" else {"compress_level": 1}
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()
