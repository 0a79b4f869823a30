"""Drawings that are not MNIST's: printed digits, and negatives, which are no digits.

A network that was shown negatives is less sure of what it does not know (outlier exposure:
Hendrycks, Mazeika, Dietterich, arXiv:1812.04606). Everything is drawn light on dark;
`mnist_edge_trainer.synthetic.render` makes pictures of it as it does of MNIST's digits. The
typefaces are those that matplotlib brings along.
"""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.synthetic.box import fit_to_box
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["printed_digit", "sample_negative"]

_FINE = 8
"""Pixels of a drawing for one of MNIST's."""

_FONT_SIZE = 160

_LETTERS = "AEFHJKMNPRTUVWXYadefhkmnprtuwxyz"
"""Not those that some hand writes like a digit: B D G I L O Q S Z b c g i j l o q s v."""

_SYMBOLS = "&@#%*+=?$<>!{}~^"

_FACES = (
    "DejaVuSans",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmtt10",
)

_SHARES = (0.45, 0.25, 0.1, 0.2)
"""How often each is drawn: letters and symbols, scribbles, blots, pairs of digits."""


def printed_digit(digit: int, rng: Rng) -> GrayImage:
    """Draws a digit of a random typeface: uint8 ``[28, 28]``, in MNIST's box."""
    return _glyph(str(digit), rng)


def sample_negative(digits: GrayImage, rng: Rng) -> GrayImage:
    """Draws a non-digit: a letter or symbol, a scribble, a blot, or two digits in one.

    Args:
        digits: uint8 ``[N, 28, 28]``, of which pairs are made.
        rng: decides which.

    Returns:
        uint8 ``[28, 28]``, light on dark.
    """
    kind = rng.choice(4, p=_SHARES)
    if kind == 0:
        return _glyph(str(rng.choice(list(_LETTERS + _SYMBOLS))), rng)
    if kind == 1:
        return _scribble(rng)
    if kind == 2:
        return _blot(rng)
    return _side_by_side(digits[rng.choice(len(digits), 2)])


def _glyph(text: str, rng: Rng) -> GrayImage:
    font = _font(str(rng.choice(_FACES)))
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(image).text((4 - left, 4 - top), text, fill=255, font=font)
    width = image.width * rng.uniform(0.8, 1.2)
    slant = rng.uniform(-0.25, 0.35)
    sheared = image.transform(
        (image.width + image.height, image.height),
        Image.Transform.AFFINE,
        (1, slant, -image.height * max(0.0, slant), 0, 1, 0),
        Image.Resampling.BICUBIC,
    )
    return fit_to_box(sheared.resize((round(sheared.width * width / image.width), image.height)))


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", _FONT_SIZE
    )


def _scribble(rng: Rng) -> GrayImage:
    """Draws a scribble: a smooth random curve with many turns."""
    turns = int(rng.integers(3, 12))
    steps = np.linspace(0, 1, 40 * turns)
    knots = rng.uniform(0.05, 0.95, (turns + 1, 2))
    path = np.stack([np.interp(steps * turns, np.arange(turns + 1), k) for k in knots.T], axis=1)
    smooth = int(rng.integers(1, 40))
    kernel = np.ones(smooth) / smooth
    path = np.stack([np.convolve(axis, kernel, mode="valid") for axis in path.T], axis=1)
    side = SIDE * _FINE
    image = Image.new("L", (side, side))
    points = [(float(x) * side, float(y) * side) for x, y in path]
    ImageDraw.Draw(image).line(points, fill=255, width=int(rng.integers(8, 30)), joint="curve")
    return fit_to_box(image)


def _blot(rng: Rng) -> GrayImage:
    """Draws a blot: the area where smooth noise is high."""
    cells = int(rng.integers(3, 10))
    noise = Image.fromarray(rng.random((cells, cells), np.float32) * 255)
    large = np.asarray(noise.resize((SIDE * _FINE,) * 2, Image.Resampling.BICUBIC))
    return fit_to_box(
        Image.fromarray(np.where(large > rng.uniform(120, 170), 255, 0).astype(np.uint8))
    )


def _side_by_side(pair: GrayImage) -> GrayImage:
    return fit_to_box(Image.fromarray(np.concatenate([digit[:, 3:25] for digit in pair], axis=1)))
