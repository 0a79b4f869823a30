"""Drawings of lines -> strips of 32 pixels, as the line finder hands them to the reader.

A strip has been cut out of a picture, straightened, and freed of its background (see
`mnist_edge.numbers.line_image`). Here is what such strips still show: cuts that are too tight or
too wide, rests of other lines, ruled lines, the edges of boxes, fine print, noise, blur.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from mnist_edge.numbers.text_line import LINE_HEIGHT
from mnist_edge.types import FloatImage, GrayImage
from mnist_edge_trainer.numbers.clutter import cluttered
from mnist_edge_trainer.numbers.strings import Composer, Drawing, Symbol
from mnist_edge_trainer.numbers.writing import random_style, random_text
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["LINE_STEP", "LineSample", "clean_strip", "random_line", "worn_strip"]

LINE_STEP = 4
"""Widths are multiples of this, pixels."""

_MOST = 512
"""Width of a line to train on at most, pixels."""

_EMPTY, _SMALL = 0.04, 0.1
"""Lines without a symbol, and lines whose symbols are small."""

_CUT = 0.35
"""Part of a symbol that may be cut off, above which it is not there."""


@dataclass(frozen=True, eq=False)
class LineSample:
    """A line to train on.

    Attributes:
        image: uint8 ``[32, W]``, W a multiple of 4, 0 = background, 255 = ink.
        symbols: what it shows, from left to right; boxes in its pixels.
    """

    image: GrayImage
    symbols: list[Symbol]


def random_line(composer: Composer, rng: Rng, kind: str | None = None) -> LineSample:
    """Draws a line and wears it."""
    if rng.random() < _EMPTY:
        empty = np.zeros((20, int(rng.integers(4, 200))), np.float32)
        return worn_strip(Drawing(empty, [], 24.0), rng)
    style = random_style(rng, kind)
    text = random_text(rng, style.kind)
    height = float(np.clip(rng.normal(23.5, 2.6), 13, 31))
    if rng.random() < _SMALL or (style.pitch and rng.random() < 0.6):
        # The finder took a form's box for the digit's height.
        height = float(rng.uniform(12, 19))
    while True:
        drawing = composer.compose(text, style, rng, height)
        if drawing.ink.shape[1] < _MOST - 40:
            break
        text, height = text[: max(3, len(text) * 2 // 3)], min(height, 24.0)
        style = style._replace(pitch=min(style.pitch, 1.5))
    return worn_strip(drawing, rng, pitch=style.pitch, is_display=style.kind == "display")


def clean_strip(drawing: Drawing, margin: int = 6) -> LineSample:
    """Places a drawing in the middle of a strip, and nothing else: for measuring."""
    return _placed(drawing, margin, margin, (LINE_HEIGHT - drawing.ink.shape[0]) / 2)


def worn_strip(
    drawing: Drawing, rng: Rng, pitch: float = 0.0, is_display: bool = False
) -> LineSample:
    """Places a drawing in a strip, and adds what real ones show.

    Args:
        drawing: with digits 13 to 31 pixels high.
        rng: of everything.
        pitch: of a form's boxes, in heights; 0 = none.
        is_display: of segments, on which nobody rules lines.
    """
    left, right = (round(abs(rng.normal(0, 9))) - (rng.random() < 0.04) * 3 for _ in "lr")
    if rng.random() < 0.12:
        left, right = left + int(rng.integers(60)), right + int(rng.integers(60))
    rows = drawing.ink.shape[0]
    top = (LINE_HEIGHT - rows) / 2 + float(rng.normal(0, 1.3))
    sample = _placed(drawing, left, right, top)
    ink: FloatImage = sample.image.astype(np.float32) / np.float32(255)
    rests = not is_display and rng.random() < 0.5
    strength = float(rng.uniform(0.75, 1.0))
    ink = ink * np.float32(strength)
    if rng.random() < 0.15:
        ink = ink * _uneven(ink.shape, rng, 0.4, 1.0)
    if rng.random() < 0.03:
        ink = _broken(ink, rng)
    if rests:
        ink = cluttered(ink, sample.symbols, rng, drawing.height, pitch)
    ink = _captured(ink, rng)
    return LineSample(np.clip(np.rint(ink * 255), 0, 255).astype(np.uint8), sample.symbols)


def _placed(drawing: Drawing, left: int, right: int, top: float) -> LineSample:
    """Puts a drawing on a strip; symbols that are cut off are gone, with their ink."""
    rows, columns = drawing.ink.shape
    shift = round(top)
    width = -(-max(LINE_STEP * 4, columns + left + right) // LINE_STEP) * LINE_STEP
    strip = np.zeros((LINE_HEIGHT, width), np.float32)
    y0, y1 = max(0, shift), min(LINE_HEIGHT, shift + rows)
    x0, x1 = max(0, left), min(width, left + columns)
    if y1 > y0 and x1 > x0:
        strip[y0:y1, x0:x1] = drawing.ink[y0 - shift : y1 - shift, x0 - left : x1 - left]
    symbols: list[Symbol] = []
    for label, (a, b, c, d) in drawing.symbols:
        box = (a + left, b + shift, c + left, d + shift)
        inside = (max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), 32.0)
        inside = (*inside[:3], min(float(LINE_HEIGHT), box[3]))
        seen = max(0.0, inside[2] - inside[0]) * max(0.0, inside[3] - inside[1])
        if seen >= (1 - _CUT) * max(1.0, (c - a) * (d - b)):
            symbols.append(Symbol(label, inside))
    return LineSample(np.clip(np.rint(strip * 255), 0, 255).astype(np.uint8), symbols)


def _uneven(shape: tuple[int, ...], rng: Rng, low: float, high: float) -> FloatImage:
    """A smooth field of levels."""
    nodes = rng.uniform(low, high, (2, max(2, shape[1] // 40))).astype(np.float32)
    field = Image.fromarray(nodes).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(field, np.float32)


def _broken(ink: FloatImage, rng: Rng) -> FloatImage:
    """Interrupts strokes: a dry pen, a threshold that was too high."""
    height, width = ink.shape
    grain = rng.random((height // 2, width // 2), np.float32)
    rough = Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC)
    level = np.float32(rng.uniform(0.1, 0.25))
    kept: FloatImage = np.clip((np.asarray(rough, np.float32) - level) * np.float32(5), 0, 1)
    return ink * kept


def _captured(ink: FloatImage, rng: Rng) -> FloatImage:
    """Resolution, blur, noise, compression; then the contrast that the front end makes."""
    rows, columns = ink.shape
    if rng.random() < 0.2:
        factor = float(rng.uniform(1.2, 2.6))
        small = (max(4, round(columns / factor)), max(4, round(rows / factor)))
        image = Image.fromarray(ink).resize(small, Image.Resampling.BOX)
        ink = np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC), np.float32)
    if rng.random() < 0.45:
        levels = Image.fromarray(np.clip(ink * 255, 0, 255).astype(np.uint8))
        sigma = float(abs(rng.normal(0, 0.7)))
        ink = np.asarray(levels.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / np.float32(
            255
        )
    noise = float(
        rng.choice([0.0, rng.uniform(0, 0.06), rng.uniform(0.04, 0.2)], p=(0.4, 0.48, 0.12))
    )
    if noise:
        grain = rng.standard_normal(ink.shape, np.float32)
        if rng.random() < 0.4:
            coarse = Image.fromarray(grain[: rows // 2, : max(2, columns // 2)].copy())
            grain = (
                np.asarray(coarse.resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
                * 1.6
            )
        ink = ink + grain * np.float32(noise)
    if rng.random() < 0.1:
        levels = Image.fromarray(np.clip(ink * 200 + 20, 0, 255).astype(np.uint8))
        file = io.BytesIO()
        levels.save(file, "JPEG", quality=int(rng.integers(15, 70)))
        ink = (np.asarray(Image.open(file), np.float32) - np.float32(20)) / np.float32(200)
    # The front end stretches the ink to full contrast, more or less; a rest of the paper stays.
    if rng.random() < 0.6:
        gain, floor = float(rng.uniform(0.85, 1.8)), float(rng.uniform(0, 0.15))
        ink = (ink - floor) * gain
    elif rng.random() < 0.4:
        ink = ink * float(rng.uniform(0.35, 1.0)) + float(rng.uniform(0, 0.06))
    if rng.random() < 0.1:
        ink = (ink > rng.uniform(0.3, 0.6)).astype(np.float32)
    return np.clip(ink, 0, 1)
