"""Forms of digits that many people write and hardly anyone in MNIST did.

Its writers were American: a 1 is one stroke, a 7 has no bar. Here are the 1 with a flag and a
foot, the barred 7, the open 4 and the one with a short stem, the 9 with a straight leg, the 3 with
a flat top: drawn as strokes, each time a little differently, and put through the image front end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mnist_edge.errors import NoDigitError
from mnist_edge.image import prepare
from mnist_edge_trainer.data import Digits
from mnist_edge_trainer.workers import workers

__all__ = ["draw_form", "forms"]

Rng = np.random.Generator
Point = tuple[float, float]
Strokes = list[list[Point]]

_SIDE = 112
_SEED = 2026


def forms(count: int) -> Digits:
    """`count` drawings, the same ones every time, less those in which nothing was found."""
    with workers() as pool:
        made = [form for form in pool.map(_form, range(count), chunksize=100) if form is not None]
    images, labels = zip(*made, strict=True)
    return Digits.of(np.stack(images), np.array(labels))


def _form(number: int) -> tuple[npt.NDArray[np.uint8], int] | None:
    picture, label = draw_form(np.random.default_rng([_SEED, number]))
    try:
        return prepare(picture), label
    except NoDigitError:
        return None


def draw_form(rng: Rng) -> tuple[npt.NDArray[np.uint8], int]:
    """A drawing, uint8 ``[112, 112]``, light on dark, and its digit."""
    label = int(rng.choice(list(_FORMS), p=_SHARES))
    strokes = _FORMS[label](rng)
    width = rng.uniform(3, 16)
    image = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(image)
    aspect, slant = rng.uniform(0.4, 0.9), rng.uniform(-0.15, 0.3)
    for stroke in strokes:
        points = [
            (
                _SIDE / 2 + 72 * (aspect * (x - 0.5) + slant * (0.5 - y)) + rng.normal(0, 1.2),
                20 + 72 * y + rng.normal(0, 1.2),
            )
            for x, y in stroke
        ]
        draw.line(points, fill=255, width=round(width), joint="curve")
        for x, y in points:
            draw.circle((x, y), width / 2, fill=255)
    return np.asarray(image), label


def _one(rng: Rng) -> Strokes:
    out, down = rng.uniform(0.2, 0.75), rng.uniform(0.1, 0.5)
    top = 0.6
    strokes = [[(top - out, down), (top, 0.0), (top + rng.uniform(-0.05, 0.05), 1.0)]]
    if rng.random() < 0.35:
        strokes.append([(top - rng.uniform(0.2, 0.5), 1.0), (top + rng.uniform(0.2, 0.5), 1.0)])
    return strokes


def _seven(rng: Rng) -> Strokes:
    foot = rng.uniform(0.2, 0.5)
    top: list[Point] = [(0.05, rng.uniform(-0.02, 0.05)), (0.9, 0.0), (foot, 1.0)]
    if rng.random() < 0.3:
        top.insert(0, (0.03, rng.uniform(0.1, 0.2)))
    bar = rng.uniform(0.4, 0.6)
    middle = 0.9 + (foot - 0.9) * bar
    reach = rng.uniform(0.2, 0.4)
    return [top, [(middle - reach, bar + 0.02), (middle + reach, bar - rng.uniform(0, 0.06))]]


def _four(rng: Rng) -> Strokes:
    bar, stem = rng.uniform(0.5, 0.78), rng.uniform(0.5, 0.75)
    corner = (rng.uniform(0.0, 0.12), bar)
    if rng.random() < 0.3:
        # Closed: one stroke up to the top of the stem.
        return [[(stem, 1.0), (stem, 0.0), corner, (1.0, bar)]]
    start = (rng.uniform(0.15, 0.5), 0.0)
    return [[start, corner, (1.0, bar)], [(stem, rng.uniform(0.1, 0.5)), (stem, 1.0)]]


def _nine(rng: Rng) -> Strokes:
    height = rng.uniform(0.22, 0.3)
    angles = np.linspace(0, -2 * np.pi, 16)
    loop = [(0.45 + 0.4 * float(np.cos(a)), height + height * float(np.sin(a))) for a in angles]
    return [loop, [(0.85, height * rng.uniform(0.0, 1.0)), (0.85 + rng.uniform(-0.3, 0.05), 1.0)]]


def _three(rng: Rng) -> Strokes:
    waist = rng.uniform(0.35, 0.45)
    angles = np.linspace(-np.pi / 2, np.pi * rng.uniform(0.7, 0.95), 12)
    radius = (1 - waist) / 2
    bowl = [
        (0.4 + 0.5 * float(np.cos(a)), waist + radius + radius * float(np.sin(a))) for a in angles
    ]
    return [[(0.1, 0.0), (0.85, 0.0), (0.4, waist), *bowl]]


_FORMS: dict[int, Callable[[Rng], Strokes]] = {1: _one, 7: _seven, 4: _four, 9: _nine, 3: _three}
_SHARES = (0.4, 0.2, 0.2, 0.1, 0.1)
