"""Digits and separators as strokes, as a European writes: a flag at the 1, a bar through the 7."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mnist_edge_trainer.numbers.test_sets.records import Mark, Plane, Rng

__all__ = ["drawn_row"]

_FINE = 4
"""Oversampling."""

_STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "0": [[(0.5, 0), (0.15, 0.2), (0.1, 0.6), (0.4, 1), (0.75, 0.8), (0.8, 0.3), (0.5, 0)]],
    "1": [[(0.05, 0.45), (0.5, 0), (0.45, 1)]],
    "2": [[(0.1, 0.25), (0.4, 0), (0.75, 0.2), (0.6, 0.5), (0.1, 1), (0.8, 0.95)]],
    "3": [[(0.1, 0), (0.75, 0), (0.4, 0.4), (0.75, 0.6), (0.6, 0.95), (0.1, 0.9)]],
    "4": [[(0.45, 0), (0.05, 0.65), (0.85, 0.62)], [(0.6, 0.4), (0.55, 1)]],
    "5": [[(0.75, 0), (0.25, 0.02), (0.15, 0.45), (0.6, 0.45), (0.7, 0.8), (0.1, 1)]],
    "6": [[(0.6, 0), (0.2, 0.5), (0.2, 0.9), (0.6, 0.95), (0.65, 0.6), (0.2, 0.65)]],
    "7": [[(0.1, 0.05), (0.8, 0), (0.35, 1)], [(0.25, 0.5), (0.8, 0.45)]],
    "8": [[(0.7, 0.15), (0.35, 0), (0.2, 0.25), (0.65, 0.6), (0.5, 1), (0.15, 0.8), (0.7, 0.15)]],
    "9": [[(0.7, 0.2), (0.3, 0.05), (0.2, 0.4), (0.65, 0.35), (0.7, 0.15), (0.6, 1)]],
    ".": [[(0.1, 0.95), (0.14, 1)]],
    "-": [[(0.1, 0.55), (0.6, 0.52)]],
    "/": [[(0.6, 0), (0.1, 1.05)]],
    ",": [[(0.2, 0.92), (0.08, 1.15)]],
}
"""Paths of a pen in a box 1 high."""


def drawn_row(text: str, height: int, rng: Rng, pen: float = 0.1) -> list[Mark]:
    """Draws symbols in a row, each a little differently.

    Args:
        text: digits, ``.,-/``, and blanks for wider gaps.
        height: of a digit, pixels.
        rng: of the hand.
        pen: width of a stroke, of the height.

    Returns:
        a mark for each symbol that is no blank, from x = 0 on.
    """
    marks, x = [], 0.0
    for letter in text:
        if letter == " ":
            x += 0.5 * height
            continue
        ink = _drawn(letter, height, rng, pen)
        columns = np.flatnonzero(ink.any(axis=0))
        marks.append(Mark(ink[:, columns[0] : columns[-1] + 1], round(x), 0))
        x += columns[-1] + 1 - columns[0] + rng.uniform(0.12, 0.25) * height
    return marks


def _drawn(letter: str, height: int, rng: Rng, pen: float) -> Plane:
    size = _FINE * height
    image = Image.new("L", (round(1.4 * size), round(1.6 * size)))
    for stroke in _STROKES[letter]:
        points = np.array(stroke) + rng.normal(0, 0.02, (len(stroke), 2))
        path = (_curve(points) * 0.9 + 0.2) * size
        curve = [(float(x), float(y)) for x, y in path]
        ImageDraw.Draw(image).line(curve, 255, round(pen * size), "curve")
        for end in (curve[0], curve[-1]):
            ImageDraw.Draw(image).circle(end, pen * size / 2, 255)
    ink: Plane = np.asarray(image.reduce(_FINE), np.float32) / 255
    return ink


def _curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A smooth path through points ``[N, 2]`` (Catmull and Rom 1974), 8 steps between two."""
    if len(points) < 4:
        return points
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, 8, endpoint=False)[:, np.newaxis]
    pieces = [
        b
        + (c - a) / 2 * t
        + (a - 2.5 * b + 2 * c - d / 2) * t**2
        + (3 * (b - c) + d - a) / 2 * t**3
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.vstack([*pieces, points[-1:]])
