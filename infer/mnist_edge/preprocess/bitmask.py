"""Masks as one long integer, a bit for each pixel: a few operations take the place of thousands.

A shift of the integer moves the whole mask by a pixel. A column without ink at the end of every row
keeps one row from moving into the next.
"""

from __future__ import annotations

import functools

import numpy as np

from mnist_edge.types import Mask

__all__ = ["BitMask"]


class BitMask:
    """A mask in which all pixels are combined at once.

    Attributes:
        bits: one bit for each pixel, row by row, the first pixel lowest; every row is followed by
            one bit that is 0.
        shape: height and width, pixels.
    """

    __slots__ = ("bits", "shape")

    def __init__(self, bits: int, shape: tuple[int, int]) -> None:
        self.bits = bits
        self.shape = shape

    @classmethod
    def of(cls, mask: Mask) -> BitMask:
        """Packs bool ``[H, W]``."""
        height, width = mask.shape
        padded = np.zeros((height, width + 1), bool)
        padded[:, :width] = mask
        packed = np.packbits(padded, axis=None, bitorder="little")
        return cls(int.from_bytes(packed.tobytes(), "little"), (height, width))

    def unpack(self) -> Mask:
        """The pixels: bool ``[H, W]``."""
        height, width = self.shape
        count = height * (width + 1)
        packed = np.frombuffer(self.bits.to_bytes((count + 7) // 8, "little"), np.uint8)
        flat = np.unpackbits(packed, count=count, bitorder="little").view(bool)
        return flat.reshape(height, width + 1)[:, :width]

    def erode(self) -> BitMask:
        """Erodes by one pixel on all sides; outside the picture is nothing."""
        bits, down = self.bits, self.shape[1] + 1
        bits &= (bits << 1) & (bits >> 1)
        return BitMask(bits & (bits << down) & (bits >> down), self.shape)

    def dilate(self, steps: int = 1) -> BitMask:
        """Dilates by so many pixels on all sides."""
        bits, down = self.bits, self.shape[1] + 1
        inside = _all_pixels(self.shape)
        for _ in range(steps):
            bits |= (bits << 1) | (bits >> 1)
            bits &= inside
            bits |= (bits << down) | (bits >> down)
        return BitMask(bits & inside, self.shape)

    def count(self) -> int:
        """Number of pixels in it."""
        return self.bits.bit_count()


@functools.lru_cache(maxsize=64)
def _all_pixels(shape: tuple[int, int]) -> int:
    return BitMask.of(np.ones(shape, bool)).bits
