"""What lies on a line beside its symbols: rules, boxes, fine print, other lines, specks."""

from __future__ import annotations

import itertools
import math

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge.types import FloatImage
from mnist_edge_trainer.numbers.strings import Symbol
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["cluttered"]

_FINE = 2
"""Clutter is drawn at twice its size, and averaged."""


def cluttered(
    ink: FloatImage, symbols: list[Symbol], rng: Rng, height: float, pitch: float
) -> FloatImage:
    """Adds lines, boxes, print and rests of other lines.

    Args:
        ink: float32 ``[32, W]``, 0..1.
        symbols: on it.
        rng: decides what.
        height: of the digits, pixels.
        pitch: of a form's boxes, in heights; 0 = none.
    """
    rows, columns = ink.shape
    clutter = _Clutter(rows, columns, rng)
    choice = rng.random()
    if choice < 0.3:
        clutter.rule()
    elif choice < 0.5 or pitch:
        clutter.frame(_box_sides(symbols, columns, rng, pitch * height))
    elif choice < 0.72:
        clutter.print_pattern(0.5 if symbols else 1.0)
    elif choice < 0.86:
        clutter.leave_rests()
    else:
        clutter.drop_specks()
    drawn = clutter.levels()
    if rng.random() < 0.7:
        return np.maximum(ink, drawn)
    return np.float32(1) - (1 - ink) * (1 - drawn)


def _box_sides(symbols: list[Symbol], columns: int, rng: Rng, pitch: float) -> list[float]:
    """Columns of the sides of boxes round the symbols, or round the whole line."""
    if pitch and symbols:
        first = symbols[0].box
        x = (first[0] + first[2]) / 2 - pitch / 2
        start = x - pitch * math.ceil(x / pitch)
        return np.arange(start, columns + 2, pitch).tolist()
    if not symbols or rng.random() < 0.3:
        return [0.0, columns - 1.0]
    left, right = symbols[0].box[0], symbols[-1].box[2]
    sides = [left - float(rng.uniform(1, 10)), right + float(rng.uniform(1, 10))]
    if rng.random() < 0.5:
        gaps = ((one.box[2], other.box[0]) for one, other in itertools.pairwise(symbols))
        sides += [(end + start) / 2 for end, start in gaps if start - end > 3]
    return sides


class _Clutter:
    """Draws on a strip of so many rows and columns."""

    def __init__(self, rows: int, columns: int, rng: Rng) -> None:
        self._rows, self._columns, self._rng = rows, columns, rng
        self._image = Image.new("L", (columns * _FINE, rows * _FINE))
        self._draw = ImageDraw.Draw(self._image)
        self._fill = round(255 * float(rng.uniform(0.12, 1.0)))
        self._width = max(1, round(_FINE * float(rng.uniform(0.5, 2.2))))
        self._slope = float(rng.normal(0, 0.015)) * columns

    def levels(self) -> FloatImage:
        """What was drawn: float32 ``[H, W]``, 0..1."""
        return np.asarray(self._image.reduce(_FINE), np.float32) / np.float32(255)

    def rule(self) -> None:
        """One line or several, and squares now and then."""
        rng, step = self._rng, float(self._rng.uniform(7, 40))
        for y in np.arange(rng.uniform(-2, min(step, self._rows)), self._rows + 2, step).tolist():
            self._line(0, y, self._columns, y + self._slope)
        if rng.random() < 0.35:
            for x in np.arange(rng.uniform(0, step), self._columns, step).tolist():
                self._line(x, 0, x + float(rng.normal(0, 0.5)), self._rows)

    def frame(self, sides: list[float]) -> None:
        """Boxes with these sides."""
        rng = self._rng
        base, ceiling = float(rng.uniform(27, 33)), float(rng.uniform(-2, 4))
        for x in sides:
            tilt = float(rng.normal(0, 0.6))
            self._line(x + tilt, ceiling - 2, x - tilt, base + 2)
        for y in (base, ceiling):
            if rng.random() < 0.6:
                self._line(0, y, self._columns, y + self._slope)

    def print_pattern(self, most: float) -> None:
        """Fine print of a cheque: waves, hatching or dots, of a level up to `most`."""
        rng = self._rng
        fill = round(255 * float(rng.uniform(0.08, most)))
        height, width = _FINE * self._rows, _FINE * self._columns
        kind = rng.random()
        if kind < 0.5:
            swing, length, phase = rng.uniform(0, 8), rng.uniform(10, 60), rng.uniform(0, 9)
            xs = np.arange(0, width + 4, 4)
            for number, y in enumerate(np.arange(-10, height + 10, rng.uniform(4, 14))):
                turn = number * rng.uniform(0, 1) if kind < 0.25 else 0.0
                ys = y + swing * np.sin(xs / length + phase + turn)
                self._draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), fill=fill)
        elif kind < 0.8:
            lean = rng.uniform(-1.5, 1.5) * height
            for x in np.arange(-height - 40, width + height + 40, rng.uniform(4, 12)).tolist():
                self._draw.line([(x, 0), (x + lean, height)], fill=fill)
        else:
            step = rng.uniform(5, 14)
            for y in np.arange(0, height, step).tolist():
                for x in np.arange(0, width, step).tolist():
                    self._draw.line([(x, y), (x + 1, y)], fill=fill)

    def leave_rests(self) -> None:
        """Strokes of the lines above and below, and at the ends."""
        rng, height, width = self._rng, _FINE * self._rows, _FINE * self._columns
        for _ in range(int(rng.integers(1, 9))):
            x, reach = float(rng.uniform(0, width)), float(rng.uniform(1, 9))
            y = -2.0 if rng.random() < 0.5 else height + 2.0
            inward = y + math.copysign(reach + 2, self._rows - y)
            turn = x + float(rng.normal(0, 5))
            end = turn + float(rng.normal(0, 8)), y if rng.random() < 0.6 else inward
            self._stroke([(x, y), (turn, inward), end])
        if rng.random() < 0.25:
            x = float(rng.choice([rng.uniform(0, 5), width - rng.uniform(0, 5)]))
            self._stroke([(x, 0), (x, height)])

    def drop_specks(self) -> None:
        """Dust."""
        rng = self._rng
        for _ in range(int(rng.integers(1, 7))):
            x, y = rng.uniform(0, self._columns), rng.uniform(0, self._rows)
            radius = _FINE * rng.uniform(0.3, 1.4)
            fill = round(255 * rng.uniform(0.2, 1))
            self._draw.circle((_FINE * x, _FINE * y), radius, fill=fill)

    def _stroke(self, points: list[tuple[float, float]]) -> None:
        fill = round(255 * self._rng.uniform(0.4, 1))
        self._draw.line(points, fill=fill, width=int(self._rng.integers(2, 8)))

    def _line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        ends = [(_FINE * x0, _FINE * y0), (_FINE * x1, _FINE * y1)]
        self._draw.line(ends, fill=self._fill, width=self._width)
