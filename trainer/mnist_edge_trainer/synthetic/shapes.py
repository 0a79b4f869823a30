"""Shapes that people draw and that are no digits: polygons, stars, arrows, plots, faces, ...

A circle is a 0 and a bar is a 1, so neither is here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge_trainer.synthetic.pen import Point, Strokes, draw_with_pen
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["draw_object", "draw_shape"]

_OBJECT_SIDE = 112


def draw_shape(rng: Rng) -> Image.Image:
    """Draws one of the shapes with a pen: a gray picture, light on black."""
    shapes = list(_SHAPES.values())
    strokes = shapes[int(rng.integers(len(shapes)))](rng)
    return draw_with_pen(
        strokes, rng, rng.uniform(4, 14), rng.uniform(0.7, 1.2), rng.uniform(-0.2, 0.3)
    )


def draw_object(rng: Rng) -> Image.Image:
    """Draws a thing of several gray surfaces, as an object or an animal in a photograph has."""
    side = _OBJECT_SIDE
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 7))):
        level = int(rng.integers(90, 256))
        x, y = rng.uniform(0.15, 0.85, 2) * side
        wide, high = rng.uniform(0.06, 0.35, 2) * side
        if rng.random() < 0.5:
            draw.ellipse((x - wide, y - high, x + wide, y + high), fill=level)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            draw.polygon([(x + wide * np.cos(a), y + high * np.sin(a)) for a in angles], fill=level)
    return image


def _arc(x: float, y: float, radius: Point, start: float, end: float) -> list[Point]:
    """Points of an ellipse's arc, between two angles in radians."""
    return [
        (x + radius[0] * float(np.cos(a)), y + radius[1] * float(np.sin(a)))
        for a in np.linspace(start, end, 20)
    ]


def _ring(x: float, y: float, radius: float) -> list[Point]:
    return _arc(x, y, (radius, radius), 0, 2 * np.pi)


def _polygon(rng: Rng) -> Strokes:
    corners = int(rng.choice([3, 3, 3, 4, 5, 6]))
    turn = rng.uniform(0, 2 * np.pi)
    angles = turn + 2 * np.pi * (np.arange(corners) + rng.uniform(-0.15, 0.15, corners)) / corners
    points = [(0.5 + 0.5 * float(np.cos(a)), 0.5 + 0.5 * float(np.sin(a))) for a in angles]
    return [[*points, points[0]]]


def _rectangle(rng: Rng) -> Strokes:
    left, top = rng.uniform(0.0, 0.25, 2)
    corners = [(left, top), (1 - left, top), (1 - left, 1 - top), (left, 1 - top), (left, top)]
    inside: Strokes = []
    kind = rng.random()
    if kind < 0.15:
        inside = [[(left, top), (1 - left, 1 - top)], [(1 - left, top), (left, 1 - top)]]
    elif kind < 0.3:
        inside = [[(left, top), (0.5, 0.55), (1 - left, top)]]
    elif kind < 0.45:
        inside = [[(0.25, 0.5), (0.45, 0.75), (1.0, -0.05)]]
    return [corners, *inside]


def _star(rng: Rng) -> Strokes:
    tips = int(rng.choice([4, 5, 5, 6, 8]))
    inner = rng.uniform(0.15, 0.3)
    radii = [0.5, inner] * tips
    turn = rng.uniform(0, 2 * np.pi)
    points = [
        (
            0.5 + r * float(np.cos(turn + np.pi * i / tips)),
            0.5 + r * float(np.sin(turn + np.pi * i / tips)),
        )
        for i, r in enumerate(radii)
    ]
    return [[*points, points[0]]]


def _cross(rng: Rng) -> Strokes:
    if rng.random() < 0.5:
        return [
            [(0.0, rng.uniform(0.3, 0.6)), (1.0, rng.uniform(0.3, 0.6))],
            [(0.5, 0.0), (0.5, 1.0)],
        ]
    return [[(0.0, 0.0), (1.0, 1.0)], [(1.0, 0.0), (0.0, 1.0)]]


def _arrow(rng: Rng) -> Strokes:
    turn, head = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.4)
    along = np.array([np.cos(turn), np.sin(turn)]) / 2
    tip, tail = 0.5 + along, 0.5 - along
    barbs = []
    for side in (-1, 1):
        angle = turn + np.pi + side * rng.uniform(0.4, 0.8)
        barbs.append(tip + head * np.array([np.cos(angle), np.sin(angle)]))
    strokes = [[tail, tip], [barbs[0], tip, barbs[1]]]
    if rng.random() < 0.3:
        strokes.append([tail - (barbs[0] - tip), tail, tail - (barbs[1] - tip)])
    return [[(float(x), float(y)) for x, y in stroke] for stroke in strokes]


def _house(rng: Rng) -> Strokes:
    eaves = rng.uniform(0.3, 0.5)
    walls = [
        (0.1, eaves),
        (0.1, 1.0),
        (0.9, 1.0),
        (0.9, eaves),
        (0.1, eaves),
        (0.5, 0.0),
        (0.9, eaves),
    ]
    door: Strokes = [[(0.4, 1.0), (0.4, 0.7), (0.6, 0.7), (0.6, 1.0)]] if rng.random() < 0.6 else []
    return [[(float(x), float(y)) for x, y in walls], *door]


def _heart(_: Rng) -> Strokes:
    angles = np.linspace(0, 2 * np.pi, 30)
    x = 16 * np.sin(angles) ** 3
    y = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    return [[(0.5 + float(a) / 34, 0.45 - float(b) / 32) for a, b in zip(x, y, strict=True)]]


def _spiral(rng: Rng) -> Strokes:
    turns = rng.uniform(2.2, 4.0)
    angles = np.linspace(0, 2 * np.pi * turns, 60)
    turn, hand = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    radii = 0.5 * angles / angles[-1]
    return [
        [
            (0.5 + float(r * np.cos(hand * a + turn)), 0.5 + float(r * np.sin(hand * a + turn)))
            for a, r in zip(angles, radii, strict=True)
        ]
    ]


def _zigzag(rng: Rng) -> Strokes:
    corners = int(rng.integers(5, 10))
    high = rng.uniform(0.2, 0.9)
    points = [(i / (corners - 1), 0.5 + high / 2 * (-1) ** i) for i in range(corners)]
    return [points if rng.random() < 0.6 else [(y, x) for x, y in points]]


def _wave(rng: Rng) -> Strokes:
    x = np.linspace(0, 1, 40)
    y = 0.5 + rng.uniform(0.1, 0.4) * np.sin(
        2 * np.pi * rng.uniform(1.5, 4) * x + rng.uniform(0, 6)
    )
    return [[(float(a), float(b)) for a, b in zip(x, y, strict=True)]]


def _axes(rng: Rng) -> Strokes:
    """A plot: two axes with a curve, points, or bars."""
    foot, side = rng.uniform(0.85, 1.0), rng.uniform(0.0, 0.15)
    axes: Strokes = [[(side, 0.0), (side, foot), (1.0, foot)]]
    kind = rng.integers(3)
    if kind == 0:
        heights = np.cumsum(rng.normal(0, 0.2, 8))
        heights = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-6)
        x = np.linspace(side + 0.05, 0.98, 8)
        y = foot - 0.1 - heights * (foot - 0.15)
        return [*axes, [(float(a), float(b)) for a, b in zip(x, y, strict=True)]]
    if kind == 1:
        bars = int(rng.integers(2, 6))
        lefts = np.linspace(side + 0.1, 0.95, bars)
        return axes + [[(float(x), foot), (float(x), foot * rng.uniform(0.1, 0.8))] for x in lefts]
    return axes + [[(float(x), float(y))] * 2 for x, y in rng.uniform(side + 0.1, 0.85, (6, 2))]


def _grid(rng: Rng) -> Strokes:
    rows, columns = rng.integers(1, 4, 2)
    flat = [[(0.0, float(y)), (1.0, float(y))] for y in np.linspace(0.05, 0.95, rows + 2)[1:-1]]
    upright = [
        [(float(x), 0.0), (float(x), 1.0)] for x in np.linspace(0.05, 0.95, columns + 2)[1:-1]
    ]
    return flat + upright


def _face(rng: Rng) -> Strokes:
    mouth = _arc(0.5, 0.55, (0.25, 0.2), 0.2, np.pi - 0.2)
    eyes: Strokes = [[(x, 0.35), (x, 0.35 + rng.uniform(0, 0.08))] for x in (0.33, 0.67)]
    return [_ring(0.5, 0.5, 0.5), mouth, *eyes]


def _person(rng: Rng) -> Strokes:
    hip, arms = rng.uniform(0.55, 0.7), rng.uniform(0.3, 0.45)
    reach = rng.uniform(0.2, 0.4)
    return [
        _ring(0.5, 0.13, 0.13),
        [(0.5, 0.26), (0.5, hip)],
        [
            (0.5 - reach, arms + rng.uniform(-0.15, 0.15)),
            (0.5, arms),
            (0.5 + reach, arms + rng.uniform(-0.15, 0.15)),
        ],
        [(0.5 - reach * 0.8, 1.0), (0.5, hip), (0.5 + reach * 0.8, 1.0)],
    ]


def _sun(rng: Rng) -> Strokes:
    rays = int(rng.integers(5, 11))
    angles = np.linspace(0, 2 * np.pi, rays, endpoint=False)
    inner = rng.uniform(0.15, 0.3)
    outward = [
        [(0.5 + r * float(np.cos(a)), 0.5 + r * float(np.sin(a))) for r in (inner + 0.08, 0.5)]
        for a in angles
    ]
    return [_ring(0.5, 0.5, inner), *outward]


def _flower(rng: Rng) -> Strokes:
    petals = int(rng.integers(4, 8))
    angles = np.linspace(0, 2 * np.pi, 80)
    radii = 0.3 + 0.2 * np.cos(petals * angles)
    outline = [
        (0.5 + float(r * np.cos(a)), 0.5 + float(r * np.sin(a)))
        for a, r in zip(angles, radii, strict=True)
    ]
    return [outline]


def _tree(rng: Rng) -> Strokes:
    branches: Strokes = [[(0.5, 0.0), (0.5, 1.0)]]
    for height in np.linspace(rng.uniform(0.1, 0.3), 0.75, int(rng.integers(2, 5))):
        drop, reach = rng.uniform(-0.2, 0.25), rng.uniform(0.25, 0.5)
        y = float(height)
        branches.append([(0.5 - reach, y + drop), (0.5, y), (0.5 + reach, y + drop)])
    return branches


_SHAPES: Mapping[str, Callable[[Rng], Strokes]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "star": _star,
    "cross": _cross,
    "arrow": _arrow,
    "house": _house,
    "heart": _heart,
    "spiral": _spiral,
    "zigzag": _zigzag,
    "wave": _wave,
    "axes": _axes,
    "grid": _grid,
    "face": _face,
    "person": _person,
    "sun": _sun,
    "flower": _flower,
    "tree": _tree,
}
