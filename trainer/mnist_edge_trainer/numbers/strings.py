"""Lines of symbols, drawn: numbers of one hand, in a typeface, or on a display.

::

    what is written -> glyphs -> each placed beside the one before -> ink, and a box for each
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from mnist_edge.numbers.alphabet import OTHER, SEPARATORS
from mnist_edge.types import FloatImage, Mask
from mnist_edge_trainer.numbers.glyphs import (
    Glyph,
    digit_glyph,
    display_glyph,
    faces,
    font_glyphs,
    mark,
    variants,
)
from mnist_edge_trainer.numbers.writers import Hands
from mnist_edge_trainer.numbers.writing import Style
from mnist_edge_trainer.synthetic.scenes import Rng
from mnist_edge_trainer.synthetic.seven_segment import Display

__all__ = ["Composer", "Drawing", "Symbol"]

_LEVEL = 0.25
"""Ink above this, of 1, belongs to a symbol's box."""


Row = np.typing.NDArray[np.bool_]


class Symbol(NamedTuple):
    """One symbol of a drawing.

    Attributes:
        label: class of `mnist_edge.numbers.alphabet`; a run of `OTHER` is one symbol.
        box: left, top, right, bottom, pixels.
    """

    label: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A line of symbols.

    Attributes:
        ink: float32 ``[H, W]``, 0..1, cut to the ink.
        symbols: from left to right.
        height: of the digits, pixels.
    """

    ink: FloatImage
    symbols: list[Symbol]
    height: float


class _Patch(NamedTuple):
    """A glyph as it will be drawn, and where, relative to the pen: pixels."""

    ink: FloatImage
    top: int
    label: int


class Composer:
    """Draws lines of symbols.

    Args:
        hands: whose digits to write with.
        fonts: folder of further typefaces; None = only those of matplotlib.
    """

    def __init__(self, hands: Hands, fonts: Path | None = None) -> None:
        self._hands = hands
        self._faces = faces(fonts)

    def compose(self, text: str, style: Style, rng: Rng, height: float = 24.0) -> Drawing:
        """Draws a text.

        Args:
            text: characters; digits, `.,-/:`, and any other, which is `OTHER`.
            style: how.
            rng: of everything that differs from line to line.
            height: of the digits, pixels.
        """
        glyphs = self._glyphs(text, style, rng)
        drawn = _Line(style, rng, height)
        for number, glyph in enumerate(glyphs):
            drawn.add(glyph, number / max(1, len(glyphs) - 1) - 0.5)
        return drawn.finish()

    def _glyphs(self, text: str, style: Style, rng: Rng) -> list[Glyph]:
        if style.kind == "display":
            display = Display.random(rng)
            return [
                display_glyph(int(symbol), display) if symbol.isdecimal() else mark(symbol, rng)
                for symbol in text
            ]
        if style.kind == "print":
            face = self._face(rng)
            return [face[symbol] for symbol in text if symbol in face]
        writer = self._hands.writers[int(rng.integers(len(self._hands.writers)))]
        foreign = [bool(rng.random() < style.foreign) for _ in range(10)]
        letters: dict[str, Glyph] = {}
        glyphs: list[Glyph] = []
        for symbol in text:
            if symbol.isdecimal():
                glyphs.append(self._written(int(symbol), writer, foreign[int(symbol)], rng))
            elif symbol in SEPARATORS.values():
                glyphs.append(mark(symbol, rng))
            else:
                letters = letters or self._face(rng)
                glyphs += [letters[symbol]] if symbol in letters else []
        return glyphs

    def _written(
        self, digit: int, writer: Sequence[np.typing.NDArray[np.int64]], foreign: bool, rng: Rng
    ) -> Glyph:
        others = variants().get(digit)
        if foreign and others:
            return digit_glyph(others[int(rng.integers(len(others)))], digit)
        own = writer[digit]
        while not len(own):  # this hand wrote none: one of another
            own = self._hands.writers[int(rng.integers(len(self._hands.writers)))][digit]
        return digit_glyph(self._hands.images[own[int(rng.integers(len(own)))]], digit)

    def _face(self, rng: Rng) -> dict[str, Glyph]:
        while not (glyphs := font_glyphs(self._faces[int(rng.integers(len(self._faces)))])):
            pass
        return glyphs


class _Line:
    """A line while it is drawn: every symbol is placed beside the ink of those before."""

    def __init__(self, style: Style, rng: Rng, height: float) -> None:
        self._style, self._rng, self._height = style, rng, height
        self._rows = 4 * math.ceil(height)
        self._base = 2.6 * height  # base line where the line begins, in rows
        self._canvas = np.zeros((self._rows, math.ceil(height * 4)), np.float32)
        self._right = np.full(self._rows, -1_000_000, np.int64)  # last inked column of each row
        self._end = 0  # right side of the last symbol's box
        self._cell = 0
        self._symbols: list[Symbol] = []
        self._gap = style.gap

    def add(self, glyph: Glyph, place: float) -> None:
        """Draws the next symbol; `place` is -0.5 for the first and 0.5 for the last."""
        style, rng = self._style, self._rng
        size = self._height * (1 + style.taper * place)
        if style.size_spread:
            size *= math.exp(float(rng.normal(0, style.size_spread)))
        patch = self._drawn(glyph, size)
        if patch is None:
            return
        left = self._left(patch)
        self._paste(patch, left)

    def _drawn(self, glyph: Glyph, size: float) -> _Patch | None:
        style, rng = self._style, self._rng
        scale = size / glyph.scale
        shear = style.shear + (
            float(rng.normal(0, style.shear_spread)) if style.shear_spread else 0
        )
        angle = style.rotation + (float(rng.normal(0, style.turn)) if style.turn else 0)
        lift = float(rng.normal(0, style.lift)) * size if style.lift else 0.0
        base = self._base + math.tan(style.rotation) * self._end - lift
        rows, columns = glyph.image.shape
        # From the glyph's base line, to pixels of the line: scaled, slanted, turned.
        cos, sin = math.cos(angle), math.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array(
            [[style.aspect * scale, -shear * scale], [0, scale]]
        )
        corners = np.array([[x, y - glyph.baseline] for x in (0, columns) for y in (0, rows)])
        reach = corners @ matrix.T
        first = np.floor(reach.min(axis=0)).astype(int) - 1
        last = np.ceil(reach.max(axis=0)).astype(int) + 1
        width, height = (last - first).tolist()
        phase = rng.random(2) - 0.5
        inverse = np.linalg.inv(matrix)
        start = inverse @ (first - phase) + (0, glyph.baseline)
        image = Image.fromarray(glyph.image)
        if scale < 0.5:
            factor = int(1 / scale)
            image = image.reduce(factor)
            inverse, start = inverse / factor, start / factor
        drawn = image.transform(
            (width, height),
            Image.Transform.AFFINE,
            (*inverse[0].tolist(), start[0], *inverse[1].tolist(), start[1]),
            Image.Resampling.BICUBIC if scale > 0.7 else Image.Resampling.BILINEAR,
        )
        ink: FloatImage = np.asarray(drawn, np.float32) / np.float32(255)
        inked: Mask = ink > _LEVEL
        inked_columns: Row = np.asarray(inked.any(axis=0))
        inked_rows: Row = np.asarray(inked.any(axis=1))
        if not inked_columns.any():
            return None
        x0, x1 = int(inked_columns.argmax()), width - int(inked_columns[::-1].argmax())
        y0, y1 = int(inked_rows.argmax()), height - int(inked_rows[::-1].argmax())
        top = round(base) + int(first[1]) + y0
        if top < 0 or top + y1 - y0 > self._rows:
            return None
        return _Patch(ink[y0:y1, x0:x1], top, glyph.label)

    def _left(self, patch: _Patch) -> int:
        """Column of the symbol's left side."""
        style, rng = self._style, self._rng
        if not self._symbols:
            return 0
        if style.pitch:
            self._cell += 1
            center = (self._cell + float(rng.normal(0, 0.07))) * style.pitch * self._height
            return int(max(self._end - 2, round(center - patch.ink.shape[1] / 2)))
        gap = self._gap + (float(rng.normal(0, style.gap_spread)) if style.gap_spread else 0)
        if not style.by_profile:
            beside = round(gap * self._height)
            return int(self._end + max(beside, -(patch.ink.shape[1] // 2)))
        inked = patch.ink > _LEVEL
        lefts = inked.argmax(axis=1)[inked.any(axis=1)]
        rows = np.flatnonzero(inked.any(axis=1)) + patch.top
        # Rows nearby count too: strokes that pass close by each other touch.
        near = np.maximum.reduce(
            [self._right[np.clip(rows + d, 0, self._rows - 1)] for d in (-1, 0, 1)]
        )
        room = int((near - lefts).max())
        least = self._symbols[-1].box[0] + 0.3 * self._height * 0.5
        if room < -100_000:
            room = self._end
        beside = room + 1 + round(gap * self._height)
        return int(max(beside, int(least), self._end - patch.ink.shape[1]))

    def _paste(self, patch: _Patch, left: int) -> None:
        rows, columns = patch.ink.shape
        if left < 0:
            left = 0
        if left + columns > self._canvas.shape[1]:
            wider = np.zeros((self._rows, 2 * (left + columns)), np.float32)
            wider[:, : self._canvas.shape[1]] = self._canvas
            self._canvas = wider
        part = self._canvas[patch.top : patch.top + rows, left : left + columns]
        np.maximum(part, patch.ink, out=part)
        inked = patch.ink > _LEVEL
        rights = left + columns - 1 - inked[:, ::-1].argmax(axis=1)
        row = slice(patch.top, patch.top + rows)
        self._right[row] = np.where(
            inked.any(axis=1), np.maximum(self._right[row], rights), self._right[row]
        )
        self._end = max(self._end, left + columns)
        box = (float(left), float(patch.top), float(left + columns), float(patch.top + rows))
        if patch.label == OTHER and self._symbols and self._symbols[-1].label == OTHER:
            before = self._symbols.pop().box
            box = (
                min(before[0], box[0]),
                min(before[1], box[1]),
                max(before[2], box[2]),
                max(before[3], box[3]),
            )
        self._symbols.append(Symbol(patch.label, box))

    def finish(self) -> Drawing:
        """Cuts to the ink."""
        if not self._symbols:
            return Drawing(np.zeros((1, 1), np.float32), [], self._height)
        boxes = np.array([symbol.box for symbol in self._symbols])
        top, bottom = int(boxes[:, 1].min()), int(boxes[:, 3].max())
        ink = self._canvas[top:bottom, : int(boxes[:, 2].max())]
        if self._style.pen:
            ink = _with_pen(ink, self._style.pen, self._height)
        symbols = [
            Symbol(label, (x0, y0 - top, x1, y1 - top)) for label, (x0, y0, x1, y1) in self._symbols
        ]
        return Drawing(np.ascontiguousarray(ink), symbols, self._height)


def _with_pen(ink: FloatImage, change: float, height: float) -> FloatImage:
    """Makes strokes thicker (> 0) or thinner (< 0), by about a pixel at 24."""
    image = Image.fromarray((ink * 255).astype(np.uint8))
    size = 3 if height < 40 else 5
    other = image.filter(ImageFilter.MaxFilter(size) if change > 0 else ImageFilter.MinFilter(size))
    part = np.float32(min(0.8, abs(change)) * (1.0 if change > 0 else 0.6))
    mixed: FloatImage = ink + part * (np.asarray(other, np.float32) / np.float32(255) - ink)
    return mixed
