"""Numbers on documents: rows of boxes, cheques, beside print, several lines.

Harder than the sets of which scores are published; to find out what a reader cannot do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge_trainer.numbers.test_sets.handwriting import row_of_marks
from mnist_edge_trainer.numbers.test_sets.photographs import (
    Page,
    blank_page,
    photograph,
    rule,
)
from mnist_edge_trainer.numbers.test_sets.records import Hand, Mark, NumberPicture, Rng
from mnist_edge_trainer.numbers.test_sets.strokes import drawn_row

__all__ = [
    "add_row",
    "beside_print",
    "boxes",
    "cheque",
    "crossed_by_lines",
    "european",
    "several_lines",
]

_PENS = ((0.08, 0.09, 0.12), (0.08, 0.14, 0.45), (0.1, 0.25, 0.55), (0.35, 0.35, 0.38))

_WORDS = (
    *("Name", "Total", "Date", "Amount", "Invoice", "Branch"),
    *("Account", "Payee", "Order", "Street", "Sheet", "Grade"),
)


def add_row(page: Page, marks: Sequence[Mark], x: int, y: int, rng: Rng) -> None:
    """Inks digits with one pen, and keeps them for the truth."""
    colour = _PENS[int(rng.integers(len(_PENS)))]
    for mark in marks:
        placed = Mark(mark.ink * np.float32(rng.uniform(0.8, 1)), mark.x + x, mark.y + y)
        page.ink(placed, colour)
        page.marks.append(placed)


def boxes(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A row of printed boxes, a digit in each, some over the border; at times empty ones after."""
    images, text = hand.write(length, rng)
    cells = length + (int(rng.integers(0, 4)) if rng.random() < 0.5 else 0)
    side = int(rng.integers(28, 80))
    gap = int(rng.integers(0, side // 3)) if rng.random() < 0.4 else 0
    pitch = side + gap
    page = blank_page((side * 4, max(side * 5, pitch * (cells + 3))), rng)
    left, top = _middle(page, pitch * cells, side)
    width = max(1, round(side * rng.uniform(0.02, 0.07)))
    lines = Image.new("L", (pitch * cells + width, side + width))
    for cell in range(cells):
        frame = (cell * pitch, 0, cell * pitch + side + width - 1, side + width - 1)
        ImageDraw.Draw(lines).rectangle(frame, outline=255, width=width)
    shade = rng.uniform(0, 0.6)
    page.ink(Mark(np.asarray(lines, np.float32) / 255, left, top), (shade, shade, shade))
    scale = side * rng.uniform(0.55, 0.85) / 20
    marks = []
    for place, image in enumerate(images):
        (mark,) = row_of_marks([image], [], scale, rng)
        rows, columns = mark.ink.shape
        x = place * pitch + (side - columns) / 2 + rng.normal(0, 0.08) * side
        y = (side - rows) / 2 + rng.normal(0, 0.08) * side
        marks.append(Mark(mark.ink, round(x), round(y)))
    add_row(page, marks, left, top, rng)
    return photograph(page, text, rng)


def cheque(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """An amount on fine printed waves, after a currency sign, with separators, at times framed."""
    images, text = hand.write(length, rng)
    height = int(rng.integers(24, 70))
    scale = height / 20
    gaps = rng.uniform(1, 7, length - 1)
    point = int(rng.integers(max(0, length - 3), length)) if rng.random() < 0.7 else None
    if point is not None and point > 0:
        gaps[point - 1] = rng.uniform(8, 12)
    marks = row_of_marks(images, gaps.tolist(), scale, rng)
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    page = blank_page((round(3.5 * height), width + 5 * height), rng)
    _waves(page, rng)
    left, top = _middle(page, width, height)
    if rng.random() < 0.5:
        frame = np.zeros((round(1.8 * height), width + 2 * height), np.float32)
        frame[:2] = frame[-2:] = frame[:, :2] = frame[:, -2:] = 1
        page.ink(Mark(frame, left - height // 2, top - round(0.35 * height)), (0.3, 0.3, 0.4))
    if rng.random() < 0.6:
        _print(page, str(rng.choice(["$", "Fr", "Kr"])), left - round(1.3 * height), top, height)
    add_row(page, marks, left, top, rng)
    if point is not None and point > 0:
        (dot,) = drawn_row(str(rng.choice(list(".,-"))), height, rng)
        before = marks[point - 1]
        x = left + before.x + before.ink.shape[1] + round(2 * scale)
        page.ink(Mark(dot.ink, x, top - round(0.1 * height)), (0.1, 0.12, 0.25))
    return photograph(page, text, rng)


def beside_print(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A number on a form: printed words before, above and below it."""
    images, text = hand.write(length, rng)
    height = int(rng.integers(24, 60))
    marks = row_of_marks(images, rng.uniform(1, 8, length - 1).tolist(), height / 20, rng)
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    page = blank_page((9 * height, width + 9 * height), rng)
    left, top = _middle(page, width, height)
    size = round(height * rng.uniform(0.4, 0.8))
    words = [str(word) for word in rng.choice(_WORDS, 7)]
    _print(page, words[0] + ":", left - round(4 * size), top + height - size, size)
    for place, offset in enumerate((-2.6, 2.2)):
        line = " ".join(words[1 + 3 * place : 4 + 3 * place])
        _print(page, line, left - 2 * height, top + round(offset * height), size)
    if rng.random() < 0.5:
        under = np.ones((2, width + 2 * height), np.float32)
        page.ink(Mark(under, left - height // 2, top + round(1.15 * height)), (0.3, 0.3, 0.3))
    add_row(page, marks, left, top, rng)
    return photograph(page, text, rng)


def crossed_by_lines(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A number across the lines of ruled or squared paper, closer than a digit is high."""
    images, text = hand.write(length, rng)
    height = int(rng.integers(30, 90))
    marks = row_of_marks(images, rng.uniform(1, 8, length - 1).tolist(), height / 20, rng)
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    page = blank_page((5 * height, width + 5 * height), rng)
    rule(page, height * rng.uniform(0.4, 0.9), bool(rng.random() < 0.5), rng)
    left, top = _middle(page, width, height)
    add_row(page, marks, left, top, rng)
    return photograph(page, text, rng)


def several_lines(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """Two to four numbers below one another; the text is theirs, from the top down."""
    height = int(rng.integers(24, 60))
    count = int(rng.integers(2, 5))
    page = blank_page((round(height * (2.2 * count + 2)), height * 11), rng)
    left, top = _middle(page, height * 6, round(2.2 * count * height))
    texts = []
    for line in range(count):
        images, text = hand.write(min(length, 6) - line % 2, rng)
        gaps = rng.uniform(1, 5, len(images) - 1)
        y = top + round((2.2 * line + 0.5 + rng.uniform(-0.15, 0.15)) * height)
        x = left + round(rng.uniform(0, 1) * height)
        add_row(page, row_of_marks(images, gaps.tolist(), height / 20, rng), x, y, rng)
        texts.append(text)
    return photograph(page, "".join(texts), rng, tilt=3)


def european(_: Hand, length: int, rng: Rng) -> NumberPicture:
    """Drawn digits, half of them 1 with a long flag or barred 7."""
    shares = np.array([0.0625, 0.25, *[0.0625] * 5, 0.25, 0.0625, 0.0625])
    text = "".join(str(digit) for digit in rng.choice(10, length, p=shares))
    height = int(rng.integers(28, 90))
    marks = drawn_row(text, height, rng, rng.uniform(0.05, 0.16))
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    page = blank_page((5 * height, width + 4 * height), rng)
    add_row(page, marks, *_middle(page, width, height), rng)
    return photograph(page, text, rng)


def _middle(page: Page, width: int, height: int) -> tuple[int, int]:
    rows, columns = page.colours.shape[:2]
    return (columns - width) // 2, (rows - height) // 2


def _print(page: Page, text: str, x: int, y: int, size: int) -> None:
    font = ImageFont.load_default(size)
    x0, y0, x1, y1 = (round(side) for side in font.getbbox(text))
    image = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
    ImageDraw.Draw(image).text((1 - x0, 1 - y0), text, 255, font)
    ink = np.asarray(image, np.float32) / 255
    rows, columns = page.colours.shape[:2]
    x, y = max(0, x), max(0, y)
    page.ink(Mark(ink[: rows - y, : columns - x], x, y), (0.15, 0.15, 0.2))


def _waves(page: Page, rng: Rng) -> None:
    """Prints fine waves all over a page."""
    y, x = np.indices(page.colours.shape[:2]).astype(np.float32)
    fast, slow = rng.uniform(0.25, 0.8, 2), rng.uniform(0.02, 0.08, 2)
    waves = np.sin(fast[0] * y + 3 * np.sin(slow[0] * x))
    if rng.random() < 0.6:
        waves = waves * np.sin(fast[1] * x + 2 * np.sin(slow[1] * y))
    tint = rng.uniform(0.1, 0.35) * np.array([1, rng.uniform(0.3, 1), rng.uniform(0.2, 1)])
    page.colours[...] *= 1 - (waves[..., np.newaxis] > rng.uniform(0, 0.5)) * tint
