"""A page while it is drawn: its paper, what lies on it, and how ink is laid on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from PIL import Image

from mnist_edge.types import FloatImage, GrayImage
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = [
    "OVERVIEW",
    "PAGE_STEP",
    "LineTruth",
    "Page",
    "cover",
    "find_room",
    "ink_level",
    "rotated",
    "smooth_field",
]

OVERVIEW = 320
"""Longer side of a page, pixels."""

PAGE_STEP = 32


class LineTruth(NamedTuple):
    """A line of digits on a page, pixels.

    Attributes:
        start, end: ends of its centre line, at the outer sides of the first and last digit.
        height: of its digits.
        is_dark: its ink is darker than its paper.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    height: float
    is_dark: bool


@dataclass(eq=False)
class Page:
    """A page while it is drawn, and then a sample to train on.

    Attributes:
        levels: float32 ``[H, W]``, 0 = black, 1 = white.
        lines: of digits.
        taken: what lies on it, for finding room: left, top, right, bottom.
        is_dark: ink is darker than the paper.
        contrast: between paper and ink, of the paper's level.
    """

    levels: FloatImage
    lines: list[LineTruth] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    is_dark: bool = True
    contrast: float = 0.9

    @property
    def image(self) -> GrayImage:
        """uint8 ``[H, W]``."""
        return np.clip(np.rint(self.levels * 255), 0, 255).astype(np.uint8)


def smooth_field(
    shape: tuple[int, int], rng: Rng, low: float, high: float, nodes: int
) -> FloatImage:
    """Draws a smooth field: float32 ``[H, W]``, `low` to `high` at so many nodes each way."""
    grid = rng.uniform(low, high, (max(2, nodes), max(2, nodes))).astype(np.float32)
    image = Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def ink_level(page: Page, rng: Rng, local: float) -> float:
    """A level of ink on paper of a level."""
    if page.is_dark:
        return local * (1 - page.contrast * float(rng.uniform(0.8, 1.0)))
    return local + (1 - local) * page.contrast * float(rng.uniform(0.7, 1.0))


def cover(page: Page, ink: FloatImage, left: int, top: int, strength: float, level: float) -> None:
    """Lays ink of a level on the page, as far as it is on it."""
    rows, columns = page.levels.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(rows, top + ink.shape[0]), min(columns, left + ink.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = page.levels[y0:y1, x0:x1]
    amount = ink[y0 - top : y1 - top, x0 - left : x1 - left] * np.float32(strength)
    part += amount * (np.float32(level) - part)


def rotated(ink: FloatImage, angle: float) -> tuple[FloatImage, float, float]:
    """Turns clockwise by `angle` radians; the middle stays the middle. Returns its size too."""
    if abs(angle) < 0.004:
        return ink, ink.shape[1], ink.shape[0]
    image = Image.fromarray(ink).rotate(
        -math.degrees(angle), Image.Resampling.BILINEAR, expand=True
    )
    return np.asarray(image, np.float32), image.width, image.height


def find_room(
    page: Page, rng: Rng, width: float, height: float, tries: int = 12, spill: float = 0.0
) -> tuple[float, float] | None:
    """A place for something, where nothing lies yet: its left upper corner."""
    rows, columns = page.levels.shape
    for _ in range(tries):
        x = float(rng.uniform(-spill * width, max(0.0, columns - width) + spill * width))
        y = float(rng.uniform(-spill * height, max(0.0, rows - height) + spill * height))
        if width > columns * (1 + 2 * spill) or height > rows * (1 + 2 * spill):
            return None
        if not any(
            x < right and x + width > left and y < bottom and y + height > top
            for left, top, right, bottom in page.taken
        ):
            return x, y
    return None
