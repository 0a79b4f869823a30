"""Pages with lines of digits among everything else: what the line finder learns from.

They are drawn at the size of the finder's overview, in gray::

    paper -> printed patterns -> lines of digits, text, boxes, pictures -> light -> camera
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge.numbers.alphabet import OTHER
from mnist_edge.types import FloatImage
from mnist_edge_trainer.numbers.page import (
    OVERVIEW,
    PAGE_STEP,
    LineTruth,
    Page,
    cover,
    find_room,
    ink_level,
    rotated,
    smooth_field,
)
from mnist_edge_trainer.numbers.page_camera import light, photograph, tilt
from mnist_edge_trainer.numbers.page_others import LETTERS, add_others
from mnist_edge_trainer.numbers.strings import Composer, Drawing
from mnist_edge_trainer.numbers.writing import random_style, random_text
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["random_page"]


def random_page(composer: Composer, rng: Rng) -> Page:
    """Draws a page."""
    page = _paper(rng)
    angle = float(rng.choice([0.0, rng.normal(0, 0.06), rng.normal(0, 0.25)], p=(0.3, 0.5, 0.2)))
    if rng.random() < 0.4:
        _patterns(page, rng, angle)
    crowd = rng.random()
    if crowd < 0.08:  # nothing but other things
        add_others(page, rng, composer, angle, int(rng.integers(2, 12)))
    elif crowd < 0.5:  # one number
        _line(page, composer, rng, angle, largest=True)
        if rng.random() < 0.65:
            add_others(page, rng, composer, angle, int(rng.integers(1, 8)))
    else:
        for _ in range(int(rng.integers(1, 6))):
            _line(page, composer, rng, angle, largest=False)
        if rng.random() < 0.7:
            add_others(page, rng, composer, angle, int(rng.integers(1, 12)))
    if rng.random() < 0.4:
        tilt(page, rng)
    light(page, rng)
    photograph(page, rng)
    return page


def _paper(rng: Rng) -> Page:
    if rng.random() < 0.3:
        aspect = float(rng.uniform(2, 7))
    else:
        aspect = float(rng.choice([4 / 3, 1.0, 1.5, 16 / 9, 3 / 4, 0.62]))
    longer = OVERVIEW
    size = (longer, round(longer / aspect)) if aspect >= 1 else (round(longer * aspect), longer)
    width, height = (max(PAGE_STEP, round(side / PAGE_STEP) * PAGE_STEP) for side in size)
    is_dark = bool(rng.random() < 0.82)
    level = float(rng.uniform(0.45, 1.0)) if is_dark else float(rng.uniform(0.02, 0.45))
    levels = np.full((height, width), level, np.float32)
    if rng.random() < 0.3:
        levels *= smooth_field((height, width), rng, 0.8, 1.1, int(rng.integers(2, 30)))
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
    texture = smooth_field((rows, columns), rng, 0.7, 1.2, int(rng.integers(3, 40)))
    page.levels = (paper * page.levels + (1 - paper) * desk * texture).astype(np.float32)
    border = max(0.0, corners[0][0], corners[3][0]), max(0.0, corners[0][1], corners[1][1])
    page.taken += [
        (-9, -9, border[0], rows + 9),
        (-9, -9, columns + 9, border[1]),
        (min(columns, corners[1][0], corners[2][0]), -9, columns + 9, rows + 9),
        (-9, min(rows, corners[2][1], corners[3][1]), columns + 9, rows + 9),
    ]


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
    turned, w, h = rotated(framed, angle)
    place = find_room(page, rng, w - 2 * margin, h - 2 * margin)
    if place is None:
        return
    left, top = round(place[0]) - margin, round(place[1]) - margin
    local = float(
        np.median(page.levels[max(0, top) : top + round(h), max(0, left) : left + round(w)])
    )
    level = ink_level(page, rng, local)
    cover(page, turned, left, top, float(rng.uniform(0.75, 1.0)), level)
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
    words = "".join(rng.choice(list(LETTERS), size=int(rng.integers(2, 9))))
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
    level = ink_level(page, rng, float(np.median(page.levels)))
    if rng.random() < 0.3:
        y0, x0 = (int(rng.integers(0, max(1, side // 2))) for side in (rows, columns))
        lines[:y0], lines[:, :x0] = 0, 0
    page.levels += lines * np.float32(amount) * (np.float32(level) - page.levels)


def _stripes(position: FloatImage, pitch: float, width: float) -> FloatImage:
    distance = np.abs((position + pitch / 2) % pitch - pitch / 2)
    stripes: FloatImage = np.clip(width / 2 + 0.5 - distance, 0, 1).astype(np.float32)
    return stripes
