"""Digits of displays with seven segments: clocks, meters, scales."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge.types import GrayImage
from mnist_edge_trainer.synthetic.box import fit_to_box
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["HEIGHT", "MARGIN", "Display", "draw_segments", "seven_segment_digit"]

HEIGHT = 48.0
"""Height of a drawn digit, pixels."""

MARGIN = 4
"""Dark pixels above and under it."""

_SEGMENTS = (
    "abcdef",
    "bc",
    "abged",
    "abgcd",
    "fgbc",
    "afgcd",
    "afgedc",
    "abc",
    "abcdefg",
    "abcdfg",
)
"""Lit segments of each digit; a at the top, clockwise to f, g in the middle."""


class Display(NamedTuple):
    """How a seven-segment display looks.

    Attributes:
        width: of a digit, of its height.
        thickness: of a segment, of the digit's height.
        gap: between segments, of the thickness.
        slant: shift of the top to the right, of the height.
        ghost: level of segments that are not lit, 0..1.
        tail: whether the 6 and the 9 have their tails, and the 7 a hook.
        cut: how far the ends of segments are slanted, of the thickness, 0..0.5.
    """

    width: float
    thickness: float
    gap: float
    slant: float
    ghost: float
    tail: tuple[bool, bool, bool]
    cut: float

    @classmethod
    def random(cls, rng: Rng) -> Display:
        """Draws a display."""
        tail = (bool(rng.random() < 0.9), bool(rng.random() < 0.9), bool(rng.random() < 0.08))
        return cls(
            width=float(rng.uniform(0.42, 0.68)),
            thickness=float(rng.uniform(0.07, 0.2)),
            gap=float(rng.choice([0.0, rng.uniform(0.05, 0.5)])),
            slant=float(rng.choice([0.0, rng.uniform(0, 0.22)])),
            ghost=float(rng.choice([0.0, rng.uniform(0.03, 0.3)], p=[0.5, 0.5])),
            tail=tail,
            cut=float(rng.uniform(0, 0.5)),
        )


def seven_segment_digit(digit: int, rng: Rng) -> GrayImage:
    """Draws a digit of a random display, whose other segments are dark.

    Returns:
        uint8 ``[28, 28]``, light on dark, in MNIST's box.
    """
    display = Display.random(rng)._replace(ghost=0.0)
    return fit_to_box(Image.fromarray(draw_segments(digit, display)))


def draw_segments(digit: int, display: Display) -> GrayImage:
    """Draws a digit of a display, with the segments that are not lit.

    Returns:
        uint8 ``[H, W]``, light on dark; the digit is `HEIGHT` high, `MARGIN` from the top.
    """
    height, scale = HEIGHT, 2
    lit = set(_SEGMENTS[digit])
    if digit == 6 and not display.tail[0]:
        lit.discard("a")
    if digit == 9 and not display.tail[1]:
        lit.discard("d")
    if digit == 7 and display.tail[2]:
        lit.add("f")
    width = display.width * height
    side = (
        round((width + display.slant * height + 2 * MARGIN) * scale),
        round((height + 2 * MARGIN) * scale),
    )
    image = Image.new("L", side)
    draw = ImageDraw.Draw(image)
    for name, points in _outlines(width, height, display).items():
        level = 255 if name in lit else round(255 * display.ghost)
        if level:
            draw.polygon(
                [
                    ((x + display.slant * (height - y) + MARGIN) * scale, (y + MARGIN) * scale)
                    for x, y in points
                ],
                fill=level,
            )
    return np.asarray(image.reduce(scale))


def _outlines(
    width: float, height: float, display: Display
) -> dict[str, list[tuple[float, float]]]:
    """Outlines of the seven segments, pixels."""
    t = display.thickness * height
    g, c, half = display.gap * t / 2, display.cut * t, height / 2

    def across(y: float) -> list[tuple[float, float]]:
        a, b = t / 2 + g, width - t / 2 - g
        inner = t / 2 - c / 2
        top = [(a, y), (a + inner, y - t / 2), (b - inner, y - t / 2), (b, y)]
        return [*top, (b - inner, y + t / 2), (a + inner, y + t / 2)]

    def down(x: float, top: float, bottom: float) -> list[tuple[float, float]]:
        a, b = top + g, bottom - g
        inner = t / 2 - c / 2
        side = [(x, a), (x + t / 2, a + inner), (x + t / 2, b - inner), (x, b)]
        return [*side, (x - t / 2, b - inner), (x - t / 2, a + inner)]

    left, right = t / 2, width - t / 2
    top, bottom = t / 2, height - t / 2
    return {
        "a": across(top),
        "g": across(half),
        "d": across(bottom),
        "f": down(left, top, half),
        "b": down(right, top, half),
        "e": down(left, half, bottom),
        "c": down(right, half, bottom),
    }
