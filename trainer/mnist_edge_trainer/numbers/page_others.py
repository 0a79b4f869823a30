"""What lies on a page beside its lines of digits: text, logos, barcodes, scribbles, pictures."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge.types import FloatImage
from mnist_edge_trainer.numbers.glyphs import OTHERS
from mnist_edge_trainer.numbers.page import Page, cover, find_room, ink_level, rotated, smooth_field
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.writing import random_style
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["LETTERS", "add_others"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def add_others(page: Page, rng: Rng, composer: Composer, angle: float, count: int) -> None:
    """Text, handwriting, logos, pictures, bars, lines, scribbles: everything but digits."""
    for _ in range(count):
        kind = rng.random()
        if kind < 0.5:
            _text(page, rng, composer, angle)
        elif kind < 0.62:
            _barcode(page, rng)
        elif kind < 0.8:
            _shape(page, rng)
        elif kind < 0.92:
            _scribble(page, rng)
        else:
            _picture(page, rng)


def _text(page: Page, rng: Rng, composer: Composer, angle: float) -> None:
    """Lines of words, in print or in a typeface like handwriting."""
    height = float(np.exp(rng.uniform(math.log(5), math.log(60))))
    rows = int(rng.integers(1, 6)) if height < 20 else 1
    style = random_style(rng, "print")._replace(rotation=0.0)
    parts = []
    letters = list(LETTERS + ("" if rng.random() < 0.7 else OTHERS))
    for _ in range(rows):
        words = [
            "".join(rng.choice(letters, size=int(rng.integers(1, 10))))
            for _ in range(int(rng.integers(1, 5)))
        ]
        drawn = [composer.compose(word, style, rng, height).ink for word in words]
        tall = max(ink.shape[0] for ink in drawn)
        gap = np.zeros((tall, max(1, round(0.4 * height))), np.float32)
        row = [gap]
        for ink in drawn:
            row += [np.pad(ink, ((tall - ink.shape[0], 0), (0, 0))), gap]
        parts.append(np.concatenate(row, axis=1))
    wide = max(part.shape[1] for part in parts)
    lead = np.zeros((max(1, round(0.5 * height)), wide), np.float32)
    block = np.concatenate(
        [x for part in parts for x in (np.pad(part, ((0, 0), (0, wide - part.shape[1]))), lead)]
    )
    turned, w, h = rotated(block, angle)
    place = find_room(page, rng, w, h, spill=0.2)
    if place is None:
        return
    left, top = round(place[0]), round(place[1])
    region = page.levels[
        max(0, top) : max(1, top + round(h)), max(0, left) : max(1, left + round(w))
    ]
    if not region.size:
        return
    level = ink_level(page, rng, float(np.median(region)))
    cover(page, turned, left, top, float(rng.uniform(0.5, 1.0)), level)
    page.taken.append((left, top, left + w, top + h))


def _stamp(page: Page, rng: Rng, image: Image.Image, spill: float = 0.3) -> None:
    place = find_room(page, rng, image.width, image.height, spill=spill)
    if place is None:
        return
    left, top = round(place[0]), round(place[1])
    ink: FloatImage = np.asarray(image, np.float32) / np.float32(255)
    level = ink_level(page, rng, float(np.median(page.levels)))
    cover(page, ink, left, top, float(rng.uniform(0.4, 1.0)), level)
    page.taken.append((left, top, left + image.width, top + image.height))


def _barcode(page: Page, rng: Rng) -> None:
    width, height = int(rng.integers(20, 140)), int(rng.integers(8, 70))
    bars = np.repeat(rng.random(width // 2 + 1) < 0.5, int(rng.integers(1, 4)))[:width]
    ink = np.broadcast_to(bars * np.uint8(255), (height, len(bars))).astype(np.uint8)
    if rng.random() < 0.3:
        side = int(rng.integers(20, 80))
        grain = (rng.random((side // 3, side // 3)) < 0.5).astype(np.uint8) * 255
        ink = np.kron(grain, np.ones((3, 3), np.uint8))
    _stamp(page, rng, Image.fromarray(np.ascontiguousarray(ink)))


def _shape(page: Page, rng: Rng) -> None:
    """A logo, a frame, a rule."""
    width, height = int(rng.integers(6, 200)), int(rng.integers(3, 90))
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    kind = rng.random()
    line = int(rng.integers(1, 5))
    if kind < 0.3:
        draw.rectangle([0, 0, width - 1, height - 1], outline=255, width=line)
    elif kind < 0.5:
        draw.line([0, height // 2, width, height // 2], fill=255, width=line)
    elif kind < 0.7:
        draw.ellipse(
            [0, 0, width - 1, height - 1],
            fill=int(rng.choice([0, 255])),
            outline=255,
            width=line,
        )
    elif kind < 0.85:
        points = [(float(rng.uniform(0, width)), float(rng.uniform(0, height))) for _ in range(5)]
        draw.polygon(points, fill=255)
    else:
        for _ in range(int(rng.integers(2, 7))):
            x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
            reach = float(rng.uniform(2, 20))
            draw.ellipse(
                [x - reach, y - reach, x + reach, y + reach], fill=int(rng.integers(80, 256))
            )
    _stamp(page, rng, image)


def _scribble(page: Page, rng: Rng) -> None:
    """A signature, a tick, a crossing-out."""
    turns = int(rng.integers(2, 14))
    width, height = int(rng.integers(14, 160)), int(rng.integers(10, 80))
    steps = np.linspace(0, turns, 14 * turns)
    drift = np.linspace(0.1, 0.9, turns + 1) if rng.random() < 0.6 else rng.uniform(0, 1, turns + 1)
    xs = np.interp(steps, np.arange(turns + 1), drift + rng.normal(0, 0.08, turns + 1)) * width
    ys = np.interp(steps, np.arange(turns + 1), rng.uniform(0.05, 0.95, turns + 1)) * height
    smooth = np.ones(9) / 9
    xs, ys = (np.convolve(np.pad(v, 4, mode="edge"), smooth, "valid") for v in (xs, ys))
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).line(
        list(zip(xs.tolist(), ys.tolist(), strict=True)),
        fill=255,
        width=int(rng.integers(1, 6)),
        joint="curve",
    )
    _stamp(page, rng, image)


def _picture(page: Page, rng: Rng) -> None:
    """Something with many levels: a photograph, a plant, a hand."""
    rows, columns = page.levels.shape
    width, height = (
        int(rng.integers(20, max(21, columns // 2))),
        int(rng.integers(20, max(21, rows // 2))),
    )
    place = find_room(page, rng, width, height, spill=0.4)
    if place is None:
        return
    x, y = round(place[0]), round(place[1])
    texture = smooth_field((height, width), rng, 0, 1, int(rng.integers(2, 14)))
    y0, x0, y1, x1 = max(0, y), max(0, x), min(rows, y + height), min(columns, x + width)
    if y1 > y0 and x1 > x0:
        page.levels[y0:y1, x0:x1] = texture[y0 - y : y1 - y, x0 - x : x1 - x]
        page.taken.append((x, y, x + width, y + height))
