"""Digit variants (allographs) that many people write and hardly anyone in MNIST did.

Its writers were American: a 1 is one stroke, a 7 has no bar. Here are the 1 with a flag and a
foot, the barred 7, the open 4, the 4 with a low bar and hardly a stem under it, the 9 with a
straight leg, the 3 with a flat top: drawn as strokes, each time a little differently.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mnist_edge.types import GrayImage
from mnist_edge_trainer.synthetic.box import fit_to_box
from mnist_edge_trainer.synthetic.pen import Point, Strokes, draw_with_pen
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["digit_variant"]


def digit_variant(rng: Rng) -> tuple[GrayImage, int]:
    """Draws a variant of a digit.

    Returns:
        uint8 ``[28, 28]``, light on dark, in MNIST's box; and the digit, 0 to 9.
    """
    label = int(rng.choice(list(_VARIANTS), p=_SHARES))
    width = rng.uniform(6, 18)
    aspect, slant = rng.uniform(0.4, 0.9), rng.uniform(-0.15, 0.4)
    return fit_to_box(draw_with_pen(_VARIANTS[label](rng), rng, width, aspect, slant)), label


def _one(rng: Rng) -> Strokes:
    out, down = rng.uniform(0.15, 0.75), rng.uniform(0.1, 0.55)
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
    if rng.random() < 0.3:
        # The stem bends down, as a quick hand's does.
        top.insert(-1, (foot + rng.uniform(0.0, 0.15), rng.uniform(0.4, 0.6)))
    bar = rng.uniform(0.35, 0.65)
    middle = 0.9 + (foot - 0.9) * bar
    reach = rng.uniform(0.15, 0.5)
    return [top, [(middle - reach, bar + 0.02), (middle + reach, bar - rng.uniform(0, 0.06))]]


def _four(rng: Rng) -> Strokes:
    bar, stem = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.75)
    foot = min(1.0, bar + rng.uniform(0.1, 0.5))
    corner = (rng.uniform(0.0, 0.12), bar)
    if rng.random() < 0.3:
        # Closed: one stroke up to the top of the stem.
        return [[(stem, foot), (stem, 0.0), corner, (1.0, bar)]]
    start = (rng.uniform(0.15, 0.7), 0.0)
    return [[start, corner, (1.0, bar)], [(stem, rng.uniform(0.1, bar - 0.15)), (stem, foot)]]


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


_VARIANTS: dict[int, Callable[[Rng], Strokes]] = {
    1: _one,
    7: _seven,
    4: _four,
    9: _nine,
    3: _three,
}
_SHARES = (0.38, 0.24, 0.24, 0.07, 0.07)
"""How often each is drawn, in the order of `_VARIANTS`."""
