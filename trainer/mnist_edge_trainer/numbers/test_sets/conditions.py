"""Numbers in bad pictures: slanted, light on dark, dim webcams, one bit a pixel, cut close.

Harder than the sets of which scores are published; to find out what a reader cannot do.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_edge_trainer.numbers.test_sets.documents import add_row
from mnist_edge_trainer.numbers.test_sets.handwriting import row_of_marks
from mnist_edge_trainer.numbers.test_sets.photographs import Page, blank_page, photograph
from mnist_edge_trainer.numbers.test_sets.records import (
    Hand,
    Mark,
    NumberPicture,
    Rng,
    bounds,
    encode,
)

__all__ = ["cut_close", "light_on_dark", "one_bit", "slanted", "webcam"]


def slanted(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A row that climbs or falls by 8 to 20 degrees."""
    page, text = _page(hand, length, rng, slope=rng.uniform(8, 20) * rng.choice([-1, 1]))
    return photograph(page, text, rng, tilt=1)


def light_on_dark(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """Chalk or a light pen on a dark ground."""
    page, text = _page(hand, length, rng)
    page.colours[...] = 1 - 0.85 * page.colours
    return photograph(page, text, rng)


def webcam(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A webcam's picture: out of focus, dim, noisy, much compressed."""
    page, text = _page(hand, length, rng)
    picture = photograph(page, text, rng)
    levels = np.asarray(picture.pixels(), np.float32) / 255
    blur = rng.uniform(0.5, 2.2)
    levels = ndimage.gaussian_filter(levels, (blur, blur, 0)) * rng.uniform(0.35, 0.8)
    noise = rng.standard_normal(levels.shape, np.float32) * np.float32(rng.uniform(0.02, 0.07))
    content = encode(levels + noise, "JPEG", int(rng.integers(25, 60)))
    return NumberPicture(content, text, picture.boxes)


def one_bit(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A scan of black and white pixels, digits of 16 to 50 pixels, with specks."""
    images, text = hand.write(length, rng)
    scale = rng.uniform(0.8, 2.5)
    marks = row_of_marks(images, rng.uniform(1, 8, length - 1).tolist(), scale, rng)
    border = round(12 * scale)
    width = max(mark.x + mark.ink.shape[1] for mark in marks) + 2 * border
    height = max(mark.y + mark.ink.shape[0] for mark in marks) + 2 * border
    page = Page(np.ones((height, width, 3), np.float32), [])
    for mark in marks:
        placed = Mark(mark.ink, mark.x + border, mark.y + border)
        page.ink(placed, (0, 0, 0))
        page.marks.append(placed)
    gray = page.colours[..., 0] + rng.standard_normal((height, width)) * rng.uniform(0.05, 0.25)
    file = io.BytesIO()
    Image.fromarray(gray > rng.uniform(0.35, 0.65)).save(file, "PNG")
    boxes = tuple(bounds(mark.points()) for mark in page.marks)
    return NumberPicture(file.getvalue(), text, boxes)


def cut_close(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A picture cut to the ink, or a little into it."""
    page, text = _page(hand, length, rng)
    picture = photograph(page, text, rng)
    x0, y0, x1, y1 = np.array(picture.boxes).T
    border = rng.uniform(-0.04, 0.1, 4) * float(np.mean(y1 - y0))
    left, top = max(0, round(x0.min() - border[0])), max(0, round(y0.min() - border[1]))
    right, bottom = round(x1.max() + border[2]), round(y1.max() + border[3])
    pixels = picture.pixels()[top:bottom, left:right]
    boxes = tuple((a - left, b - top, c - left, d - top) for a, b, c, d in picture.boxes)
    return NumberPicture(encode(pixels.astype(np.float32) / 255), text, boxes)


def _page(hand: Hand, length: int, rng: Rng, slope: float = 0) -> tuple[Page, str]:
    """A page with a row of digits in its middle, which climbs by `slope` degrees."""
    images, text = hand.write(length, rng)
    height = int(rng.integers(28, 90))
    marks = row_of_marks(images, rng.uniform(1, 8, length - 1).tolist(), height / 20, rng)
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    rise = math.tan(math.radians(slope))
    tall = height + abs(rise) * width
    page = blank_page((round(tall + 3 * height), width + 4 * height), rng)
    left, top = (page.colours.shape[1] - width) // 2, (page.colours.shape[0] - height) // 2
    tilted = [Mark(mark.ink, mark.x, mark.y + round((width / 2 - mark.x) * rise)) for mark in marks]
    if slope:
        tilted = [_turned(mark, slope) for mark in tilted]
    add_row(page, tilted, left, top, rng)
    return page, text


def _turned(mark: Mark, degrees: float) -> Mark:
    ink = np.clip(ndimage.rotate(mark.ink, degrees, order=1), 0, 1)
    grown = (ink.shape[0] - mark.ink.shape[0]) // 2, (ink.shape[1] - mark.ink.shape[1]) // 2
    return Mark(ink, mark.x - grown[1], mark.y - grown[0])
