"""Digits of displays with seven segments: clocks, meters, scales."""

from __future__ import annotations

from PIL import Image, ImageDraw

from mnist_edge.types import GrayImage
from mnist_edge_trainer.synthetic.box import fit_to_box
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["seven_segment_digit"]

_HEIGHT = 120
"""Height of a digit, pixels."""

_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
"""Segments of each digit: a is the top one, then clockwise to f; g is in the middle."""

_OTHERS = {6: "fgedc", 7: "fabc", 9: "abcfg"}
"""Some displays leave the tail of a 6 or a 9 dark, or light a flag of the 7."""

_OTHER_SHARE = 0.3


def seven_segment_digit(digit: int, rng: Rng) -> GrayImage:
    """Draws a digit of a random display.

    Args:
        digit: 0 to 9.
        rng: decides the display's width, slant, and the form of its segments.

    Returns:
        uint8 ``[28, 28]``, light on dark, in MNIST's box.
    """
    lit = _LIT[digit]
    if digit in _OTHERS and rng.random() < _OTHER_SHARE:
        lit = _OTHERS[digit]
    width = _HEIGHT * rng.uniform(0.42, 0.65)
    thick = _HEIGHT * rng.uniform(0.06, 0.14)
    gap = thick * rng.uniform(0.0, 0.35)
    tip = thick / 2 * rng.uniform(0.0, 1.0)
    slant = rng.uniform(0.0, 0.2)
    image = Image.new("L", (2 * _HEIGHT, _HEIGHT + 40))
    draw = ImageDraw.Draw(image)
    half = _HEIGHT / 2
    corners = {
        "a": ((0.0, 0.0), (width, 0.0)),
        "b": ((width, 0.0), (width, half)),
        "c": ((width, half), (width, 2 * half)),
        "d": ((0.0, 2 * half), (width, 2 * half)),
        "e": ((0.0, half), (0.0, 2 * half)),
        "f": ((0.0, 0.0), (0.0, half)),
        "g": ((0.0, half), (width, half)),
    }
    for name in lit:
        outline = _segment(*corners[name], thick, gap, tip)
        draw.polygon([(40 + x + slant * (_HEIGHT - y), 20 + y) for x, y in outline], fill=255)
    return fit_to_box(image)


def _segment(
    start: tuple[float, float], end: tuple[float, float], thick: float, gap: float, tip: float
) -> list[tuple[float, float]]:
    """The outline of a segment between two corners: a bar whose ends are pointed by `tip`."""
    is_flat = start[1] == end[1]
    first, last = (start[0], end[0]) if is_flat else (start[1], end[1])
    across = start[1] if is_flat else start[0]
    first, last, side = first + gap, last - gap, thick / 2
    bar = [
        (first, across),
        (first + tip, across - side),
        (last - tip, across - side),
        (last, across),
        (last - tip, across + side),
        (first + tip, across + side),
    ]
    return bar if is_flat else [(y, x) for x, y in bar]
