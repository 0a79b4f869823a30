"""Pictures of what is not MNIST's: printed digits, and things that are no digit at all.

The typefaces are those that matplotlib brings along. Everything is a stencil, strokes light on
dark, which `mnist_edge_trainer.synthetic.render` makes pictures of as it does of MNIST's digits.
"""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["boxed", "printed_digit", "sample_negative"]

Grey = npt.NDArray[np.uint8]
Rng = np.random.Generator

_SIDE, _BOX = 28, 20
_FINE = 8

_LETTERS = "AEFHJKMNPRTUVWXYadefhkmnprtuwxyz"
"""Not those that some hand writes like a digit: B D G I L O Q S Z b c g i j l o q s v."""

_SYMBOLS = "&@#%*+=?$<>!{}~^"
_FACES = (
    *("DejaVuSans.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf"),
    *("DejaVuSerif-Italic.ttf", "STIXGeneral.ttf", "STIXGeneralItalic.ttf", "cmr10.ttf"),
    *("cmss10.ttf", "cmtt10.ttf"),
)


def printed_digit(digit: int, rng: Rng) -> Grey:
    """A digit of a typeface, uint8 ``[28, 28]``, in MNIST's box and placed as MNIST's are."""
    return _glyph(str(digit), rng)


def sample_negative(digits: Grey, rng: Rng) -> Grey:
    """Something else: a letter or symbol, a scribble, a blot, or two digits in one.

    Args:
        digits: uint8 ``[N, 28, 28]``, to make what has several of.
        rng: decides.

    Returns:
        uint8 ``[28, 28]``, light on dark.
    """
    kind = rng.choice(4, p=[0.45, 0.25, 0.1, 0.2])
    if kind == 0:
        return _glyph(str(rng.choice(list(_LETTERS + _SYMBOLS))), rng)
    if kind == 1:
        return _scribble(rng)
    if kind == 2:
        return _blot(rng)
    return _side_by_side(digits[rng.choice(len(digits), 2)])


def _glyph(text: str, rng: Rng) -> Grey:
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
    return boxed(sheared.resize((round(sheared.width * width / image.width), image.height)))


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 160)


def _scribble(rng: Rng) -> Grey:
    """A pen led at random: a smooth closed or open curve with many turns."""
    turns = int(rng.integers(3, 12))
    steps = np.linspace(0, 1, 40 * turns)
    knots = rng.uniform(0.05, 0.95, (turns + 1, 2))
    path = np.stack([np.interp(steps * turns, np.arange(turns + 1), k) for k in knots.T], axis=1)
    smooth = int(rng.integers(1, 40))
    kernel = np.ones(smooth) / smooth
    path = np.stack([np.convolve(axis, kernel, mode="valid") for axis in path.T], axis=1)
    side = _SIDE * _FINE
    image = Image.new("L", (side, side))
    points = [(float(x) * side, float(y) * side) for x, y in path]
    ImageDraw.Draw(image).line(points, fill=255, width=int(rng.integers(8, 30)), joint="curve")
    return boxed(image)


def _blot(rng: Rng) -> Grey:
    """Where smooth noise is high, as in a picture of anything at all."""
    cells = int(rng.integers(3, 10))
    noise = Image.fromarray(rng.random((cells, cells), np.float32) * 255)
    large = np.asarray(noise.resize((_SIDE * _FINE,) * 2, Image.Resampling.BICUBIC))
    return boxed(Image.fromarray(np.where(large > rng.uniform(120, 170), 255, 0).astype(np.uint8)))


def _side_by_side(pair: Grey) -> Grey:
    return boxed(Image.fromarray(np.concatenate([digit[:, 3:25] for digit in pair], axis=1)))


def boxed(image: Image.Image) -> Grey:
    """Fits strokes, light on black, into MNIST's box, in the middle; uint8 ``[28, 28]``."""
    box = image.getbbox()
    if box is None:
        return np.zeros((_SIDE, _SIDE), np.uint8)
    image = image.crop(box)
    scale = _BOX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    page = Image.new("L", (_SIDE, _SIDE))
    page.paste(
        image.resize(size, Image.Resampling.HAMMING),
        ((_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2),
    )
    return np.asarray(page)
