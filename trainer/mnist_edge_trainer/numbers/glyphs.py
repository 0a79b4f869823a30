"""Symbols to compose lines of: handwriting, variants of digits, typefaces, seven-segment displays.

A glyph is light on dark, with the height of a digit's box, from which it is scaled.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge.numbers.alphabet import OTHER, SEPARATORS
from mnist_edge.types import BOX, GrayImage
from mnist_edge_trainer.synthetic.digit_variants import digit_variant
from mnist_edge_trainer.synthetic.scenes import Rng
from mnist_edge_trainer.synthetic.seven_segment import HEIGHT, MARGIN, Display, draw_segments

__all__ = [
    "LOOKALIKES",
    "OTHERS",
    "TRAINING_FACES",
    "Glyph",
    "class_of",
    "digit_glyph",
    "display_glyph",
    "faces",
    "font_glyphs",
    "mark",
    "variants",
]

TRAINING_FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
)
"""Typefaces of matplotlib that lines are composed of."""

OTHERS = "ABCDEFGHJKLMNPQRTUVWXYZabcdefghijkmnpqrtuvwxyzäöüé€$£%&#*+=()?!<>@"
"""Symbols that are not read, and do not look like a digit."""

LOOKALIKES = "OIlosS"
"""Letters that look like a digit in some typeface: they are none in a word alone."""

_SIZE = 44
"""Height of digits in a typeface's glyphs, pixels."""

_PAD = 2


class Glyph(NamedTuple):
    """A symbol, drawn.

    Attributes:
        image: uint8 ``[H, W]``, 0 = background, 255 = ink.
        scale: pixels for the height of a digit.
        baseline: of `image`, pixels from its top, where a digit would end.
        label: class of `mnist_edge.numbers.alphabet`.
    """

    image: GrayImage
    scale: float
    baseline: float
    label: int


def class_of(symbol: str) -> int:
    """The class of a character."""
    if symbol.isdecimal():
        return int(symbol) + 1
    return next((number for number, text in SEPARATORS.items() if text == symbol), OTHER)


def digit_glyph(image: GrayImage, digit: int) -> Glyph:
    """A digit of MNIST's form, 28 x 28."""
    top = (image.shape[0] - BOX) / 2
    return Glyph(image, BOX, top + BOX, digit + 1)


@functools.cache
def variants(count: int = 3_000, seed: int = 7) -> dict[int, list[GrayImage]]:
    """Digit variants by digit (see `digit_variant`): uint8 ``[28, 28]``."""
    drawn: dict[int, list[GrayImage]] = {}
    for number in range(count):
        image, digit = digit_variant(np.random.default_rng([seed, number]))
        drawn.setdefault(digit, []).append(image)
    return drawn


def faces(folder: Path | None = None) -> list[Path]:
    """Files of typefaces: matplotlib's of `TRAINING_FACES`, and those in a folder."""
    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = [own / f"{name}.ttf" for name in TRAINING_FACES]
    if folder is not None:
        found += sorted(path for path in folder.iterdir() if path.suffix in (".ttf", ".otf"))
    return found


@functools.lru_cache(maxsize=1_024)
def font_glyphs(path: Path) -> dict[str, Glyph]:
    """Digits, separators and other symbols of a typeface; empty where it has no digits."""
    try:
        font = ImageFont.truetype(path, _SIZE)
        left, top, right, bottom = font.getbbox("0")
        if bottom - top < _SIZE / 4 or right <= left:
            return {}
        font = ImageFont.truetype(path, max(8, round(_SIZE * _SIZE / (bottom - top))))
        _, top, _, bottom = font.getbbox("0123456789")
        missing = font.getmask("\uffff").getbbox()
        drawn = {
            symbol: _draw(symbol, font, bottom)
            for symbol in "0123456789.,-/:" + OTHERS + LOOKALIKES
        }
    except OSError:
        return {}
    height = bottom - top
    glyphs = {
        symbol: Glyph(image, height, baseline, class_of(symbol))
        for symbol, (image, baseline) in drawn.items()
        if image.any() and (symbol.isascii() or font.getmask(symbol).getbbox() != missing)
    }
    digits = [glyphs[digit].image for digit in "0123456789" if digit in glyphs]
    if len(digits) < 10 or len({image.tobytes() for image in digits}) < 10:
        return {}
    return glyphs


def _draw(symbol: str, font: ImageFont.FreeTypeFont, bottom: float) -> tuple[GrayImage, float]:
    box = font.getbbox(symbol)
    left, top, right, low = (round(side) for side in box)
    size = (max(1, right - left) + 2 * _PAD, max(1, low - top) + 2 * _PAD)
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((_PAD - left, _PAD - top), symbol, fill=255, font=font)
    return np.asarray(image), bottom - top + _PAD


def mark(symbol: str, rng: Rng) -> Glyph:
    """Draws a separator with a pen."""
    size, width = 40, rng.uniform(3, 7)
    image = Image.new("L", (size, 60))
    draw = ImageDraw.Draw(image)

    def stroke(points: Sequence[tuple[float, float]]) -> None:
        draw.line(list(points), fill=255, width=round(width), joint="curve")
        for x, y in (points[0], points[-1]):
            draw.circle((x, y), width / 2, fill=255)

    def jitter(scale: float) -> float:
        return float(rng.normal(0, scale))

    foot = 40 + jitter(1.5)
    if symbol == ".":
        draw.circle((20, foot), rng.uniform(0.6, 1.1) * width, fill=255)
    elif symbol == ",":
        length = rng.uniform(5, 14)
        stroke([(20, foot), (20 - rng.uniform(-1, 0.6 * length), foot + length)])
    elif symbol == "-":
        length, y = rng.uniform(8, 30), 22 + jitter(4)
        stroke([(20 - length / 2, y + jitter(1.5)), (20 + length / 2, y + jitter(1.5))])
    elif symbol == "/":
        lean = rng.uniform(3, 14)
        stroke([(20 + lean, rng.uniform(-4, 4)), (20 - lean, foot + rng.uniform(-2, 8))])
    else:
        x, gap = 20 + jitter(1.5), rng.uniform(10, 20)
        for y in (foot - gap, foot):
            draw.circle((x + jitter(0.7), y - 3), rng.uniform(0.6, 1.0) * width, fill=255)
    return Glyph(np.asarray(image), 40, 40, class_of(symbol))


def display_glyph(digit: int, display: Display) -> Glyph:
    """Draws a digit of a seven-segment display, with the segments that are not lit."""
    return Glyph(draw_segments(digit, display), HEIGHT, HEIGHT + MARGIN, digit + 1)
