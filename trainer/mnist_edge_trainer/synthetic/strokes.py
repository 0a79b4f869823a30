"""The strokes of a digit, drawn enlarged with the pen of a scene."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import bounding_box
from mnist_edge.types import FloatImage, GrayImage, Mask
from mnist_edge_trainer.synthetic.scenes import Rng, Scene

__all__ = ["FINE", "draw_strokes"]

FINE = 8
"""Pixels of the strokes, as they are drawn, for one of MNIST's."""

_REACH = 2
"""Pixels of MNIST that bicubic interpolation reaches."""

_SHARPER = np.clip((np.arange(256, dtype=np.float32) / 255 - 0.5) * 3 + 0.5, 0, 1)
"""How much of a pixel is covered, for each of its gray levels: an edge as sharp as a pen's."""


def draw_strokes(digit: GrayImage, scene: Scene, rng: Rng) -> FloatImage:
    """Draws the strokes alone, enlarged, with the scene's pen.

    Args:
        digit: uint8 ``[28, 28]`` in MNIST form.
        scene: its pen, and the gaps in the stroke.
        rng: of where the gaps are.

    Returns:
        float32 ``[224, 224]``: how much of each pixel is covered, 0..1.
    """
    strokes = _enlarge(digit)
    if scene.pen_width is not None:
        # Thinned at half the size, which takes a quarter of the time.
        strokes = _draw_with_pen(strokes[::2, ::2] > 0.5, scene.pen_width * FINE)
    for _ in range(scene.gaps):
        _interrupt(strokes, scene, rng)
    return strokes


def _enlarge(digit: GrayImage) -> FloatImage:
    """Enlarges an image and sharpens its edges; see `draw_strokes`."""
    height, width = digit.shape
    strokes = np.zeros((height * FINE, width * FINE), np.float32)
    if digit.any():
        box = bounding_box(digit > 0)
        top, left = max(0, box.top - _REACH), max(0, box.left - _REACH)
        bottom, right = min(height, box.bottom + _REACH), min(width, box.right + _REACH)
        enlarged = Image.fromarray(digit).resize(
            ((right - left) * FINE, (bottom - top) * FINE),
            Image.Resampling.BICUBIC,
            (left, top, right, bottom),
        )
        part: Any = np.s_[top * FINE : bottom * FINE, left * FINE : right * FINE]
        strokes[part] = np.take(_SHARPER, np.asarray(enlarged))
    return strokes


def _draw_with_pen(mask: Mask, width: float) -> FloatImage:
    """Draws strokes again with another pen, enlarged twice: float32 ``[2 H, 2 W]`` in 0..1.

    Args:
        mask: bool ``[H, W]``, True = stroke.
        width: of the pen, pixels of what is returned.
    """
    height, across = mask.shape
    strokes = np.zeros((2 * height, 2 * across), np.float32)
    if mask.any():
        # Only where the pen reaches: nothing is drawn farther away.
        margin = int(width / 4) + 3
        box = bounding_box(mask)
        top, left = max(0, box.top - margin), max(0, box.left - margin)
        near = mask[top : box.bottom + margin, left : box.right + margin]
        rows, columns = _Doubled(height, top, near.shape[0]), _Doubled(across, left, near.shape[1])
        distance = ndimage.distance_transform_edt(~_thin(near)) * 2
        covered = width / 2 - _interpolate(distance, rows, columns) + 0.5
        strokes[rows.drawn, columns.drawn] = np.clip(covered, 0, 1)
    return strokes


class _Doubled:
    """Where twice as many samples lie between the ones there are, along one axis.

    Attributes:
        drawn: the new samples that lie between samples of a part.
        before: of each of them, the sample before it, counted from the part's first.
        weight: of each of them, how near it is to the sample after it, 0..1.
    """

    def __init__(self, count: int, start: int, length: int) -> None:
        """Doubles `count` samples, of which `length` from `start` on are the part."""
        positions = np.arange(2 * count) * ((count - 1) / (2 * count - 1))
        before = np.minimum(positions.astype(np.intp), count - 2)
        first, end = np.searchsorted(before, (start, start + length - 1))
        self.drawn = slice(int(first), int(end))
        self.before = before[self.drawn] - start
        self.weight = (positions - before)[self.drawn]


def _interpolate(
    samples: npt.NDArray[np.float64], rows: _Doubled, columns: _Doubled
) -> npt.NDArray[np.float64]:
    """Interpolates linearly along both axes."""
    weight = rows.weight[:, np.newaxis]
    upper, lower = samples[rows.before] * (1 - weight), samples[rows.before + 1] * weight
    left, right = columns.before, columns.before + 1
    # One product after the other, as `scipy.ndimage.zoom` adds them.
    total: npt.NDArray[np.float64] = upper[:, left] * (1 - columns.weight)
    total += upper[:, right] * columns.weight
    total += lower[:, left] * (1 - columns.weight)
    total += lower[:, right] * columns.weight
    return total


def _thin(mask: Mask) -> Mask:
    """Thins every stroke, of which there must be one, to its middle line, one pixel wide.

    T. Zhang and C. Suen, "A fast parallel algorithm for thinning digital patterns" (1984). All
    pixels are looked at together: each operation is one on a long integer.
    """
    box = bounding_box(mask)
    inked = mask[box.top : box.bottom, box.left : box.right]
    bits, row = BitMask.of(inked).bits, inked.shape[1] + 1
    while True:
        before = bits
        for is_first_pass in (True, False):
            # The neighbours of every pixel, clockwise from the one above it.
            north, south = bits << row, bits >> row
            east, west = bits >> 1, bits << 1
            ring = [north, north >> 1, east, south >> 1, south, south << 1, west, north << 1]
            if is_first_pass:
                corner = east & south & (north | west)
            else:
                corner = north & west & (east | south)
            rises = [after & ~a for a, after in itertools.pairwise((*ring, north))]
            one_rise, more_rises = _one_and_more(rises)
            _, two_inked = _one_and_more(ring)
            _, two_blank = _one_and_more([~neighbour for neighbour in ring])
            bits &= ~(two_inked & two_blank & one_rise & ~more_rises & ~corner)
        if bits == before:
            break
    thinned = np.zeros_like(mask)
    thinned[box.top : box.bottom, box.left : box.right] = BitMask(bits, inked.shape).unpack()
    return thinned


def _one_and_more(masks: list[int]) -> tuple[int, int]:
    """Where at least one, and where at least two, of some masks are set."""
    one = two = 0
    for mask in masks:
        two |= one & mask
        one |= mask
    return one, two


def _interrupt(strokes: FloatImage, scene: Scene, rng: Rng) -> None:
    """Erases a straight band across the stroke at a random place, in place."""
    ys, xs = np.nonzero(strokes > 0.5)
    if len(ys) == 0:
        return
    pick = rng.integers(len(ys))
    y, x = int(ys[pick]), int(xs[pick])
    reach = ((scene.pen_width or 3.0) / 2 + 1.5) * FINE
    top, left = max(0, y - int(reach)), max(0, x - int(reach))
    around: Any = np.s_[top : y + int(reach) + 1, left : x + int(reach) + 1]
    part = strokes[around]
    grid_y = np.arange(top, top + part.shape[0])[:, np.newaxis] - y
    grid_x = np.arange(left, left + part.shape[1]) - x
    near = grid_y**2 + grid_x**2 <= reach**2
    rows, columns = np.nonzero(near & (part > 0.5))
    points = np.stack([rows + top, columns + left]).astype(np.float64)
    # The stroke's direction there: the first principal axis of its pixels.
    direction = np.linalg.eigh(np.cov(points))[1][:, 1] if points.shape[1] > 2 else (1.0, 0.0)
    band = np.abs(grid_y * direction[0] + grid_x * direction[1])
    part[near & (band <= scene.gap_width * FINE / 2)] = 0
