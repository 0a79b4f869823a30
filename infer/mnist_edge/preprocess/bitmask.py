"""Masks as one long integer, a bit for each pixel: one operation takes the place of thousands.

A shift of the integer moves the whole mask by a pixel. One bit without ink at the end of every row
keeps a row from moving into the next.
"""

from __future__ import annotations

import functools

import numpy as np

from mnist_edge.types import Mask

__all__ = ["BitMask"]


class BitMask:
    """A mask all of whose pixels are combined at once.

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
        flat = self.flat(self.bits).reshape(height, width + 1)
        return np.ascontiguousarray(flat[:, :width])

    def flat(self, bits: int) -> Mask:
        """Unpacks bits that are laid out as this mask's are: bool ``[H * (W + 1)]``."""
        count = self.shape[0] * (self.shape[1] + 1)
        packed = np.frombuffer(bits.to_bytes(count // 8 + 1, "little"), np.uint8)
        return np.unpackbits(packed, count=count, bitorder="little").view(bool)

    def erode(self, steps: int = 1) -> BitMask:
        """Erodes by so many pixels on all sides; outside the picture is as it is at its edge."""
        inside = _all_pixels(self.shape)
        outside = BitMask(inside & ~self.bits, self.shape).dilate(steps)
        return BitMask(inside & ~outside.bits, self.shape)

    def dilate(self, steps: int = 1) -> BitMask:
        """Dilates by so many pixels on all sides."""
        bits, down = self.bits, self.shape[1] + 1
        inside = _all_pixels(self.shape)
        for _ in range(steps):
            bits |= bits << 1 | bits >> 1
            bits &= inside
            bits |= bits << down | bits >> down
        return BitMask(bits & inside, self.shape)

    def eroded_areas(self, most: int) -> list[int]:
        """Counts the pixels that are left after each of several erosions by a pixel on all sides.

        Outside the picture is nothing.

        Args:
            most: number of erosions; they end when nothing is left.
        """
        bits, down = self.bits, self.shape[1] + 1
        areas = [bits.bit_count()]
        while bits and len(areas) <= most:
            bits &= bits << 1 & bits >> 1
            bits &= bits << down & bits >> down
            areas.append(bits.bit_count())
        return areas

    def __and__(self, other: BitMask) -> BitMask:
        return BitMask(self.bits & other.bits, self.shape)

    def __or__(self, other: BitMask) -> BitMask:
        return BitMask(self.bits | other.bits, self.shape)

    def __sub__(self, other: BitMask) -> BitMask:
        return BitMask(self.bits & ~other.bits, self.shape)

    def count(self) -> int:
        """Number of pixels in it."""
        return self.bits.bit_count()


@functools.lru_cache(maxsize=16)
def _all_pixels(shape: tuple[int, int]) -> int:
    return BitMask.of(np.ones(shape, bool)).bits
