"""Pictures without a number: printed text, barcodes, empty forms and paper, scribbles, scenery."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge_trainer.numbers.test_sets.photographs import (
    Page,
    blank_page,
    photograph,
    rule,
    smooth_noise,
)
from mnist_edge_trainer.numbers.test_sets.records import Hand, Mark, NumberPicture, Rng

__all__ = ["no_number"]

_LETTERS = "aabcdeeefghiiklmnnoooprrssttuuvwy"


def no_number(_: Hand, __: int, rng: Rng) -> NumberPicture:
    """One of several kinds of page that holds no digit."""
    page = blank_page((int(rng.integers(240, 600)), int(rng.integers(320, 800))), rng)
    kinds: list[Callable[[Page, Rng], None]] = [_text, _barcode, _form, _paper, _scribble, _scenery]
    kinds[int(rng.integers(len(kinds)))](page, rng)
    return photograph(page, "", rng)


def _text(page: Page, rng: Rng) -> None:
    """Lines of made-up words, and a heading."""
    rows, columns = page.colours.shape[:2]
    size = int(rng.integers(12, 36))
    image = Image.new("L", (columns, rows))
    draw = ImageDraw.Draw(image)
    for y in range(rows // 6, rows - rows // 6, round(size * 1.5)):
        words = [
            "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 9))))
            for _ in range(columns // size)
        ]
        font = ImageFont.load_default(size)
        draw.text((columns // 6, y), " ".join(words)[: round(1.2 * columns / size)], 230, font)
    page.ink(Mark(np.asarray(image, np.float32) / 255, 0, 0), (0.1, 0.1, 0.12))


def _barcode(page: Page, rng: Rng) -> None:
    rows, columns = page.colours.shape[:2]
    widths = rng.integers(1, 5, 60) * max(1, columns // 300)
    bars = np.repeat(np.arange(60) % 2, widths)[: columns // 2].astype(np.float32)
    ink = np.tile(bars, (rows // 4, 1))
    page.ink(Mark(ink, columns // 4, rows * 3 // 8), (0.05, 0.05, 0.05))


def _form(page: Page, rng: Rng) -> None:
    """Empty rows of boxes."""
    rows, columns = page.colours.shape[:2]
    side, cells = int(rng.integers(24, 60)), int(rng.integers(3, 9))
    side = min(side, columns // (2 * cells))
    lines = np.zeros((side + 2, cells * side + 2), np.float32)
    lines[:2] = lines[-2:] = 1
    for edge in range(cells + 1):
        lines[:, edge * side : edge * side + 2] = 1
    for line in range(int(rng.integers(1, 3))):
        page.ink(Mark(lines, columns // 4, rows // 3 + line * 2 * side), (0.2, 0.2, 0.25))


def _paper(page: Page, rng: Rng) -> None:
    rule(page, rng.uniform(15, 60), bool(rng.random() < 0.5), rng)


def _scribble(page: Page, rng: Rng) -> None:
    """A long wandering stroke."""
    rows, columns = page.colours.shape[:2]
    turns = np.cumsum(rng.normal(0, 0.6, 120))
    steps = np.column_stack([np.cos(turns), np.sin(turns)]) * min(rows, columns) / 25
    points = np.cumsum(steps, axis=0)
    points += np.array([columns, rows]) / 2 - points.mean(axis=0)
    image = Image.new("L", (columns, rows))
    ImageDraw.Draw(image).line([(float(x), float(y)) for x, y in points], 240, 4, "curve")
    page.ink(Mark(np.asarray(image, np.float32) / 255, 0, 0), (0.1, 0.1, 0.4))


def _scenery(page: Page, rng: Rng) -> None:
    """Clouds of light and dark with a few large shapes, as out of a window."""
    rows, columns = page.colours.shape[:2]
    for cells in (4, 12, 40):
        noise = smooth_noise((rows, columns), cells, rng)
        page.colours[...] *= (0.4 + 0.9 * noise)[..., np.newaxis]
    image = Image.new("L", (columns, rows))
    for _ in range(5):
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        radius, corners = rng.uniform(10, rows / 4), int(rng.integers(3, 9))
        angles = np.linspace(0, 2 * math.pi, corners, endpoint=False) + rng.uniform(0, 1)
        outline = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles.tolist()]
        ImageDraw.Draw(image).polygon(outline, fill=int(rng.integers(60, 220)))
    page.ink(Mark(np.asarray(image, np.float32) / 255, 0, 0), rng.random(3).tolist())
