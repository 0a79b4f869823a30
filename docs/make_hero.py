"""Draws the picture at the top of the README: `python docs/make_hero.py`.

A photograph, the 28 x 28 that the network sees of it, and the probability of each digit, all from
the program's own functions. The same picture comes out on every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge import DigitClassifier, Prediction
from mnist_edge.inputs.decode import open_picture
from mnist_edge.outputs.formats import percent
from mnist_edge.types import SIDE

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPH = "tests/data/pictures/5-schoolbell-phone.jpg"
HERO = ROOT / "docs" / "figures" / "hero.png"

_WIDTH, _HEIGHT = 1280, 500
_TOP, _PANEL = 76, 392
"""Pixels above the panels, below the captions; height of a panel."""

_PHOTO_LEFT, _SEEN_LEFT, _BARS_LEFT = 28, 402, 902
_CELL = _PANEL // SIDE

_GROUND, _TEXT, _MUTED = "#ffffff", "#1f2933", "#7b8794"
_BAR, _WINNER, _TRACK = "#9fb3c8", "#d64545", "#f0f4f8"


def main(output: Path = HERO) -> None:
    """Draws it.

    Args:
        output: the PNG to write.
    """
    path = ROOT / PHOTOGRAPH
    prediction = DigitClassifier().predict(path)
    photograph = open_picture(path)
    assert photograph is not None
    sheet = Image.new("RGB", (_WIDTH, _HEIGHT), _GROUND)
    draw = ImageDraw.Draw(sheet)
    _draw_photograph(sheet, photograph)
    _draw_network_input(sheet, prediction)
    _draw_probabilities(draw, prediction)
    for left, text in (
        (_PHOTO_LEFT, "your photograph"),
        (_SEEN_LEFT, "the 28 x 28 that the network sees"),
        (_BARS_LEFT, "the prediction"),
    ):
        draw.text((left, 26), text, fill=_TEXT, font=_font(24))
    for left in (_SEEN_LEFT - 52, _BARS_LEFT - 80):
        _draw_arrow(draw, left, _TOP + _PANEL // 2)
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output, optimize=True)


def _draw_photograph(sheet: Image.Image, photograph: Image.Image) -> None:
    width = round(photograph.width * _PANEL / photograph.height)
    resized = photograph.convert("RGB").resize((width, _PANEL), Image.Resampling.LANCZOS)
    sheet.paste(resized, (_PHOTO_LEFT, _TOP))


def _draw_network_input(sheet: Image.Image, prediction: Prediction) -> None:
    """Every pixel as a square, with a thin line between two."""
    assert prediction.image is not None
    enlarged = np.kron(prediction.image, np.ones((_CELL, _CELL), np.uint8))
    pixels = np.repeat(enlarged[:, :, np.newaxis], 3, axis=2)
    pixels[::_CELL] = pixels[:, ::_CELL] = 40
    sheet.paste(Image.fromarray(pixels), (_SEEN_LEFT, _TOP))


def _draw_probabilities(draw: ImageDraw.ImageDraw, prediction: Prediction) -> None:
    assert prediction.probabilities is not None
    assert prediction.confidence is not None
    row, length = _PANEL / len(prediction.probabilities), 218
    for digit, probability in enumerate(prediction.probabilities.tolist()):
        is_winner = digit == prediction.digit
        middle = _TOP + round((digit + 0.5) * row)
        left = _BARS_LEFT + 26
        draw.text(
            (_BARS_LEFT, middle),
            prediction.labels[digit],
            fill=_TEXT if is_winner else _MUTED,
            font=_font(24),
            anchor="lm",
        )
        draw.rounded_rectangle((left, middle - 10, left + length, middle + 10), 4, fill=_TRACK)
        bar = max(3, round(length * probability))
        colour = _WINNER if is_winner else _BAR
        draw.rounded_rectangle((left, middle - 10, left + bar, middle + 10), 4, fill=colour)
        if is_winner:
            text = percent(prediction.confidence)
            draw.text((left + length + 14, middle), text, fill=_WINNER, font=_font(24), anchor="lm")


def _draw_arrow(draw: ImageDraw.ImageDraw, left: int, middle: int) -> None:
    draw.line((left, middle, left + 22, middle), fill=_MUTED, width=4)
    draw.polygon(
        ((left + 20, middle - 10), (left + 34, middle), (left + 20, middle + 10)), fill=_MUTED
    )


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=HERO)
    main(parser.parse_args().output)
