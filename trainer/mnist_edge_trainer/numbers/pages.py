"""Pages with lines of digits among everything else: what the line finder learns from.

They are drawn at the size of the finder's overview, in gray::

    paper -> printed patterns -> lines of digits, text, boxes, pictures -> light -> camera
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mnist_edge.numbers.alphabet import OTHER
from mnist_edge.types import FloatImage, GrayImage
from mnist_edge_trainer.numbers.glyphs import OTHERS
from mnist_edge_trainer.numbers.strings import Composer, Drawing, random_style, random_text
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["OVERVIEW", "LineTruth", "Page", "random_page"]

OVERVIEW = 320
"""Longer side of a page, pixels."""

_STEP = 32

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


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


def random_page(composer: Composer, rng: Rng) -> Page:
    """Draws a page."""
    page = _paper(rng)
    angle = float(rng.choice([0.0, rng.normal(0, 0.06), rng.normal(0, 0.25)], p=(0.3, 0.5, 0.2)))
    if rng.random() < 0.4:
        _patterns(page, rng, angle)
    crowd = rng.random()
    if crowd < 0.08:  # nothing but other things
        _others(page, rng, composer, angle, int(rng.integers(2, 12)))
    elif crowd < 0.5:  # one number
        _line(page, composer, rng, angle, largest=True)
        if rng.random() < 0.65:
            _others(page, rng, composer, angle, int(rng.integers(1, 8)))
    else:
        for _ in range(int(rng.integers(1, 6))):
            _line(page, composer, rng, angle, largest=False)
        if rng.random() < 0.7:
            _others(page, rng, composer, angle, int(rng.integers(1, 12)))
    if rng.random() < 0.4:
        _tilt(page, rng)
    _light(page, rng)
    _camera(page, rng)
    return page


def _tilt(page: Page, rng: Rng) -> None:
    """Looks at the page from one side: a homography, of which lines keep their ends."""
    rows, columns = page.levels.shape
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], float)
    moved = corners + rng.uniform(-0.09, 0.09, (4, 2)) * (columns, rows)
    forward, back = _homography(corners, moved), _homography(moved, corners)
    paper = float(np.median(page.levels))
    image = Image.fromarray(page.levels).transform(
        (columns, rows),
        Image.Transform.PERSPECTIVE,
        (back / back[2, 2]).ravel()[:8].tolist(),
        Image.Resampling.BILINEAR,
        fillcolor=paper * float(rng.uniform(0.3, 1.2)),
    )
    page.levels = np.array(image, np.float32)
    page.lines = [_moved(line, forward) for line in page.lines]


def _homography(
    source: np.typing.NDArray[np.float64], target: np.typing.NDArray[np.float64]
) -> np.typing.NDArray[np.float64]:
    """The projective map of four points to four others: float64 ``[3, 3]``."""
    equations, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(equations), np.array(values)), 1.0).reshape(3, 3)


def _moved(line: LineTruth, matrix: np.typing.NDArray[np.float64]) -> LineTruth:
    def at(x: float, y: float) -> tuple[float, float]:
        u, v, w = matrix @ (x, y, 1.0)
        return float(u / w), float(v / w)

    (x0, y0), (x1, y1) = line.start, line.end
    length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
    down = (-(y1 - y0) / length * line.height / 2, (x1 - x0) / length * line.height / 2)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    height = math.dist(at(x - down[0], y - down[1]), at(x + down[0], y + down[1]))
    return LineTruth(at(x0, y0), at(x1, y1), height, line.is_dark)


def _paper(rng: Rng) -> Page:
    if rng.random() < 0.3:
        aspect = float(rng.uniform(2, 7))
    else:
        aspect = float(rng.choice([4 / 3, 1.0, 1.5, 16 / 9, 3 / 4, 0.62]))
    longer = OVERVIEW
    size = (longer, round(longer / aspect)) if aspect >= 1 else (round(longer * aspect), longer)
    width, height = (max(_STEP, round(side / _STEP) * _STEP) for side in size)
    is_dark = bool(rng.random() < 0.82)
    level = float(rng.uniform(0.45, 1.0)) if is_dark else float(rng.uniform(0.02, 0.45))
    levels = np.full((height, width), level, np.float32)
    if rng.random() < 0.3:
        levels *= _smooth((height, width), rng, 0.8, 1.1, int(rng.integers(2, 30)))
    if rng.random() < 0.15:  # a wall, wood, cloth: streaks
        streaks = rng.random((1, width) if rng.random() < 0.5 else (height, 1)).astype(np.float32)
        levels = levels * (1 + float(rng.uniform(0.02, 0.2)) * (streaks - 0.5))
    page = Page(np.ascontiguousarray(levels), is_dark=is_dark)
    page.contrast = float(
        rng.choice([rng.uniform(0.7, 1.0), rng.uniform(0.2, 0.7)], p=(0.65, 0.35))
    )
    if rng.random() < 0.25:
        _desk(page, rng)
    return page


def _smooth(shape: tuple[int, int], rng: Rng, low: float, high: float, nodes: int) -> FloatImage:
    grid = rng.uniform(low, high, (max(2, nodes), max(2, nodes))).astype(np.float32)
    image = Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def _desk(page: Page, rng: Rng) -> None:
    """The paper ends before the picture does."""
    rows, columns = page.levels.shape
    mask = Image.new("L", (columns, rows))
    corners = []
    for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)):
        shift = rng.uniform(-0.15, 0.18, 2) * (columns, rows)
        corners.append((x * columns + (1 - 2 * x) * shift[0], y * rows + (1 - 2 * y) * shift[1]))
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    paper = np.asarray(mask, np.float32) / np.float32(255)
    desk = np.float32(rng.uniform(0.0, 1.0))
    texture = _smooth((rows, columns), rng, 0.7, 1.2, int(rng.integers(3, 40)))
    page.levels = (paper * page.levels + (1 - paper) * desk * texture).astype(np.float32)
    border = max(0.0, corners[0][0], corners[3][0]), max(0.0, corners[0][1], corners[1][1])
    page.taken += [
        (-9, -9, border[0], rows + 9),
        (-9, -9, columns + 9, border[1]),
        (min(columns, corners[1][0], corners[2][0]), -9, columns + 9, rows + 9),
        (-9, min(rows, corners[2][1], corners[3][1]), columns + 9, rows + 9),
    ]


def _ink(page: Page, rng: Rng, local: float) -> float:
    """A level of ink on paper of a level."""
    if page.is_dark:
        return local * (1 - page.contrast * float(rng.uniform(0.8, 1.0)))
    return local + (1 - local) * page.contrast * float(rng.uniform(0.7, 1.0))


def _cover(page: Page, ink: FloatImage, left: int, top: int, strength: float, level: float) -> None:
    rows, columns = page.levels.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(rows, top + ink.shape[0]), min(columns, left + ink.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = page.levels[y0:y1, x0:x1]
    amount = ink[y0 - top : y1 - top, x0 - left : x1 - left] * np.float32(strength)
    part += amount * (np.float32(level) - part)


def _rotated(ink: FloatImage, angle: float) -> tuple[FloatImage, float, float]:
    """Turns clockwise by `angle` radians; the middle stays the middle. Returns its size too."""
    if abs(angle) < 0.004:
        return ink, ink.shape[1], ink.shape[0]
    image = Image.fromarray(ink).rotate(
        -math.degrees(angle), Image.Resampling.BILINEAR, expand=True
    )
    return np.asarray(image, np.float32), image.width, image.height


def _room(
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


def _line(page: Page, composer: Composer, rng: Rng, angle: float, *, largest: bool) -> None:
    """A line of digits, with a box or a line under it now and then."""
    rows, columns = page.levels.shape
    angle += float(rng.normal(0, 0.02))
    if largest and rng.random() < 0.12:
        angle += float(rng.uniform(-0.6, 0.6))
    style = random_style(rng)._replace(rotation=0.0)
    if style.kind == "hand" and rng.random() < 0.12:
        style = style._replace(pitch=float(rng.uniform(1.05, 2.0)))
    text = random_text(rng, style.kind)
    digits = sum(symbol.isdecimal() for symbol in text)
    share = float(rng.uniform(0.3, 0.98)) if largest else float(rng.uniform(0.08, 0.6))
    width = share * columns / max(0.75, abs(math.cos(angle)))
    height = min(width / max(1.0, 0.75 * len(text)), rows * float(rng.uniform(0.15, 0.95)))
    height = float(np.clip(height, 8.0, 0.95 * rows))
    if style.pitch:
        height /= max(1.0, style.pitch * 0.8)
    if height < 7.5:
        return
    drawing = composer.compose(text, style, rng, height)
    if not drawing.symbols or drawing.ink.shape[0] < 4:
        return
    margin = round(0.35 * height)
    # A form has more boxes than the number has digits.
    empty = int(rng.integers(0, 4) * style.pitch * height) if style.pitch else 0
    ink = np.pad(drawing.ink, ((margin, margin), (margin, margin + empty)))
    framed = _framed(ink, drawing, margin, rng, style.pitch, height)
    if not style.pitch and rng.random() < 0.25:
        framed = _labelled(framed, composer, rng, height)
    turned, w, h = _rotated(framed, angle)
    place = _room(page, rng, w - 2 * margin, h - 2 * margin)
    if place is None:
        return
    left, top = round(place[0]) - margin, round(place[1]) - margin
    local = float(
        np.median(page.levels[max(0, top) : top + round(h), max(0, left) : left + round(w)])
    )
    level = _ink(page, rng, local)
    _cover(page, turned, left, top, float(rng.uniform(0.75, 1.0)), level)
    page.taken.append(
        (left + margin * 0.5, top + margin * 0.5, left + w - margin * 0.5, top + h - margin * 0.5)
    )
    known = [box for label, box in drawing.symbols if label != OTHER]
    if digits == 0 or not known or len(known) < len(drawing.symbols) / 2:
        return
    boxes = np.array(known) + margin
    heights = boxes[:, 3] - boxes[:, 1]
    tall = heights[heights > 0.5 * heights.max()]
    size = float(np.median(tall))
    middle = float(np.median((boxes[:, 1] + boxes[:, 3])[heights > 0.5 * heights.max()]) / 2)
    ends = []
    for x in (boxes[:, 0].min(), boxes[:, 2].max()):
        dx = x - framed.shape[1] / 2
        dy = middle + (framed.shape[0] - ink.shape[0]) / 2 - framed.shape[0] / 2
        cos, sin = math.cos(angle), math.sin(angle)
        ends.append((left + w / 2 + cos * dx - sin * dy, top + h / 2 + sin * dx + cos * dy))
    page.lines.append(LineTruth(ends[0], ends[1], size, level < local))


def _labelled(ink: FloatImage, composer: Composer, rng: Rng, height: float) -> FloatImage:
    """Printed or written words at the right of a number, as of a form; the number's place stays."""
    words = "".join(rng.choice(list(_LETTERS), size=int(rng.integers(2, 9))))
    size = height * float(rng.uniform(0.4, 1.1))
    style = random_style(rng, "print")._replace(rotation=0.0)
    label = composer.compose(words, style, rng, size).ink
    gap = round(float(rng.uniform(0.5, 2.0)) * height)
    rows = max(ink.shape[0], label.shape[0])
    if (rows - ink.shape[0]) % 2:
        rows += 1
    above = (rows - ink.shape[0]) // 2
    tall = np.pad(ink, ((above, rows - ink.shape[0] - above), (0, gap)))
    top = max(0, (rows - label.shape[0]) // 2)
    return np.concatenate(
        [tall, np.pad(label, ((top, rows - label.shape[0] - top), (0, 0)))], axis=1
    )


def _framed(
    ink: FloatImage, drawing: Drawing, margin: int, rng: Rng, pitch: float, height: float
) -> FloatImage:
    """Boxes of a form round the digits, or a line under them."""
    if not pitch and rng.random() < 0.72:
        return ink
    rows, columns = ink.shape
    image = Image.new("L", (columns * 2, rows * 2))
    draw = ImageDraw.Draw(image)
    width = max(1, round(2 * float(rng.uniform(0.4, 0.09 * height + 0.5))))
    top, bottom = 0.3 * margin, rows - 0.3 * margin
    boxes = [box for _, box in drawing.symbols]
    fill = round(255 * float(rng.uniform(0.25, 1)))
    if pitch:
        first = (boxes[0][0] + boxes[0][2]) / 2 + margin
        cells = max(1, math.ceil((columns - margin - first) / (pitch * height)))
        xs = [first + (n - 0.5) * pitch * height for n in range(cells + 1)]
        if rng.random() < 0.3:
            for x in xs[:-1]:
                inset = 0.06 * pitch * height
                draw.rectangle(
                    [2 * (x + inset), 2 * top, 2 * (x + pitch * height - inset), 2 * bottom],
                    outline=fill,
                    width=width,
                )
        else:
            for x in xs:
                draw.line([2 * x, 2 * top, 2 * x, 2 * bottom], fill=fill, width=width)
            for y in (top, bottom):
                draw.line([2 * xs[0], 2 * y, 2 * xs[-1], 2 * y], fill=fill, width=width)
    elif rng.random() < 0.5:
        draw.line([0, 2 * bottom, 2 * columns, 2 * bottom], fill=fill, width=width)
    else:
        draw.rectangle([width, 2 * top, 2 * columns - width, 2 * bottom], outline=fill, width=width)
    frame: FloatImage = np.asarray(image.reduce(2), np.float32) / np.float32(255)
    return np.maximum(ink, frame)


def _patterns(page: Page, rng: Rng, angle: float) -> None:
    """Ruled or squared paper, or a cheque's fine print."""
    rows, columns = page.levels.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = x * cos + y * sin, y * cos - x * sin
    pitch = float(rng.uniform(6, 50))
    kind = rng.random()
    if kind < 0.65:
        lines = _stripes(across, pitch, float(rng.uniform(0.4, 1.6)))
        if kind < 0.3:
            lines = np.maximum(lines, _stripes(along, pitch, float(rng.uniform(0.4, 1.6))))
    else:
        swing = float(rng.uniform(0, 6))
        wave = across + swing * np.sin(along / float(rng.uniform(4, 40)))
        lines = _stripes(wave, float(rng.uniform(3, 12)), float(rng.uniform(0.5, 1.5)))
        if rng.random() < 0.5:
            wave = along + swing * np.sin(across / float(rng.uniform(4, 40)))
            lines = np.maximum(lines, _stripes(wave, float(rng.uniform(3, 12)), 0.8))
    amount = float(rng.uniform(0.1, 0.9)) * (0.5 if kind >= 0.65 else 1)
    level = _ink(page, rng, float(np.median(page.levels)))
    if rng.random() < 0.3:
        y0, x0 = (int(rng.integers(0, max(1, side // 2))) for side in (rows, columns))
        lines[:y0], lines[:, :x0] = 0, 0
    page.levels += lines * np.float32(amount) * (np.float32(level) - page.levels)


def _stripes(position: FloatImage, pitch: float, width: float) -> FloatImage:
    distance = np.abs((position + pitch / 2) % pitch - pitch / 2)
    stripes: FloatImage = np.clip(width / 2 + 0.5 - distance, 0, 1).astype(np.float32)
    return stripes


def _others(page: Page, rng: Rng, composer: Composer, angle: float, count: int) -> None:
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
    letters = list(_LETTERS + ("" if rng.random() < 0.7 else OTHERS))
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
    turned, w, h = _rotated(block, angle)
    place = _room(page, rng, w, h, spill=0.2)
    if place is None:
        return
    left, top = round(place[0]), round(place[1])
    region = page.levels[
        max(0, top) : max(1, top + round(h)), max(0, left) : max(1, left + round(w))
    ]
    if not region.size:
        return
    level = _ink(page, rng, float(np.median(region)))
    _cover(page, turned, left, top, float(rng.uniform(0.5, 1.0)), level)
    page.taken.append((left, top, left + w, top + h))


def _stamp(page: Page, rng: Rng, image: Image.Image, spill: float = 0.3) -> None:
    place = _room(page, rng, image.width, image.height, spill=spill)
    if place is None:
        return
    left, top = round(place[0]), round(place[1])
    ink: FloatImage = np.asarray(image, np.float32) / np.float32(255)
    level = _ink(page, rng, float(np.median(page.levels)))
    _cover(page, ink, left, top, float(rng.uniform(0.4, 1.0)), level)
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
    place = _room(page, rng, width, height, spill=0.4)
    if place is None:
        return
    x, y = round(place[0]), round(place[1])
    texture = _smooth((height, width), rng, 0, 1, int(rng.integers(2, 14)))
    y0, x0, y1, x1 = max(0, y), max(0, x), min(rows, y + height), min(columns, x + width)
    if y1 > y0 and x1 > x0:
        page.levels[y0:y1, x0:x1] = texture[y0 - y : y1 - y, x0 - x : x1 - x]
        page.taken.append((x, y, x + width, y + height))


def _light(page: Page, rng: Rng) -> None:
    rows, columns = page.levels.shape
    if rng.random() < 0.5:
        nodes = int(rng.integers(2, 4))
        page.levels = page.levels * _smooth(
            (rows, columns), rng, float(rng.uniform(0.3, 1)), 1.0, nodes
        )
    if rng.random() < 0.25:  # the border of a shadow
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        turn = rng.uniform(0, 2 * math.pi)
        along = (x - rng.uniform(0, columns)) * math.cos(turn) + (
            y - rng.uniform(0, rows)
        ) * math.sin(turn)
        soft = float(rng.uniform(1, 60))
        page.levels = page.levels * (
            1 - np.float32(rng.uniform(0.1, 0.6)) * np.clip(along / soft + 0.5, 0, 1)
        )
    if rng.random() < 0.15:
        page.levels = page.levels * np.float32(rng.uniform(0.08, 0.6))
    page.levels = page.levels.astype(np.float32)


def _camera(page: Page, rng: Rng) -> None:
    image = Image.fromarray(page.image)
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(abs(rng.normal(0, 0.9)))))
    levels = np.asarray(image, np.float32) / 255
    if rng.random() < 0.5:
        sigma = np.float32(abs(rng.normal(0, 0.04)))
        levels = levels + rng.standard_normal(levels.shape, np.float32) * sigma
    if rng.random() < 0.15:
        file = io.BytesIO()
        Image.fromarray(np.clip(levels * 255, 0, 255).astype(np.uint8)).save(
            file, "JPEG", quality=int(rng.integers(15, 80))
        )
        levels = np.asarray(Image.open(file), np.float32) / 255
    page.levels = np.clip(levels, 0, 1).astype(np.float32)
