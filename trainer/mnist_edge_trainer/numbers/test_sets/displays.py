"""Seven-segment displays, drawn: LED and LCD, unlit segments, slant, noise, blur, tilt.

Digits as on pocket calculators and meters: 6 and 9 with or without their tails, 7 with or without
its serif; a 1 is the two segments at the right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_edge_trainer.numbers.test_sets.records import (
    Box,
    NumberPicture,
    Plane,
    Rng,
    bounds,
    encode,
)

__all__ = ["Segments", "Style", "display", "draw_segments", "on_display", "random_style"]

_SEGMENTS = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "fgecd",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcfg",
}
"""Lit segments of each digit, without the optional ones: a at the top, then clockwise, g across."""

_TAILS, _SERIF = {"6": "a", "9": "d"}, {"7": "f"}
"""Segments that some displays light too."""

_FINE = 3
"""Oversampling."""

_LEDS = ((1, 0.15, 0.1), (0.2, 1, 0.3), (1, 0.65, 0.1), (0.3, 0.55, 1), (0.95, 0.97, 1))
"""Colours of LEDs: red, green, amber, blue, white."""


@dataclass(frozen=True)
class Style:
    """Proportions of a display's digits; lengths are shares of a digit's height.

    Attributes:
        width: of a digit, without slant.
        stroke: thickness of a segment.
        gap: between segments.
        slant: of the uprights, x for each y.
        pitch: from digit to digit.
        is_mitred: ends are pointed, not cut straight.
        optional: segments of digits that are lit beside `_SEGMENTS`.
    """

    width: float
    stroke: float
    gap: float
    slant: float
    pitch: float
    is_mitred: bool
    optional: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Segments:
    """A display, drawn without colours.

    Attributes:
        lit: float32 ``[H, W]``, coverage of the lit segments.
        ghost: float32 ``[H, W]``, coverage of all segments.
        boxes: of the digits' lit segments.
    """

    lit: Plane
    ghost: Plane
    boxes: tuple[Box, ...]


def on_display(length: int, rng: Rng) -> NumberPicture:
    """A number on a display, dark on light (LCD) or light on dark (LED)."""
    text = "".join(str(digit) for digit in rng.integers(0, 10, length))
    height = float(np.exp(rng.uniform(math.log(24), math.log(140))))
    point = int(rng.integers(1, length)) if rng.random() < 0.2 else None
    return display(text, height, point, rng, is_lcd=bool(rng.random() < 0.5))


def display(
    text: str, height: float, point: int | None, rng: Rng, *, is_lcd: bool
) -> NumberPicture:
    """Draws a display and what a camera makes of it.

    Args:
        text: the digits.
        height: of a digit, pixels.
        point: place of the digit that a decimal point stands before; None = no point.
        rng: of all else.
        is_lcd: dark on light, not light on dark.
    """
    layers = draw_segments(text, random_style(rng), height, point, rng)
    levels = _lcd(layers, rng) if is_lcd else _led(layers, height, rng)
    blur = rng.uniform(0.2, 0.04 * height)
    levels = ndimage.gaussian_filter(levels, (blur, blur, 0))
    noise = rng.standard_normal(levels.shape, np.float32) * np.float32(rng.uniform(0.005, 0.05))
    content = encode(levels + noise, "JPEG", int(rng.integers(60, 95)))
    return NumberPicture(content, text, layers.boxes)


def random_style(rng: Rng) -> Style:
    """Draws the proportions of a display."""
    width = rng.uniform(0.45, 0.62)
    stroke = rng.uniform(0.08, 0.16)
    tails = _TAILS if rng.random() < 0.75 else {}
    serif = _SERIF if rng.random() < 0.3 else {}
    return Style(
        width=width,
        stroke=stroke,
        gap=rng.uniform(0, 0.03),
        slant=rng.uniform(0, 0.2) if rng.random() < 0.6 else 0.0,
        pitch=width + rng.uniform(0.15, 0.4),
        is_mitred=bool(rng.random() < 0.7),
        optional=tails | serif,
    )


def draw_segments(
    text: str, style: Style, height: float, point: int | None, rng: Rng, tilt: float = 7
) -> Segments:
    """Draws lit and unlit segments, tilted as by a camera.

    Args:
        text: the digits.
        style: of the display.
        height: of a digit, pixels.
        point: place of the digit that a decimal point stands before; None = no point.
        rng: of margins and tilt.
        tilt: degrees, at most, either way.
    """
    left, top, right, bottom = rng.uniform(0.25, 1.2, 4)
    columns = left + style.pitch * (len(text) - 1) + style.width + style.slant + right
    rows = top + 1 + bottom
    size = round(columns * height), round(rows * height)
    angle = math.radians(rng.uniform(-tilt, tilt))
    cells = [_cell(digit, style) for digit in text]
    lit, ghost = (Image.new("L", (size[0] * _FINE, size[1] * _FINE)) for _ in range(2))
    boxes = []
    for place, segments in enumerate(cells):
        corner = left + style.pitch * place, top
        points = []
        for outline, is_lit in segments:
            moved = _turned(outline + corner, (columns / 2, rows / 2), angle) * height
            polygon = [(x * _FINE, y * _FINE) for x, y in moved.tolist()]
            ImageDraw.Draw(ghost).polygon(polygon, fill=255)
            if is_lit:
                ImageDraw.Draw(lit).polygon(polygon, fill=255)
                points.append(moved)
        boxes.append(bounds(np.concatenate(points)))
    if point is not None:
        middle = left + style.pitch * point - (style.pitch - style.width) / 2, top + 1.0
        x, y = (_turned(np.array([middle]), (columns / 2, rows / 2), angle) * height)[0].tolist()
        radius = 0.6 * style.stroke * height
        ImageDraw.Draw(lit).circle((x * _FINE, (y - radius) * _FINE), radius * _FINE, fill=255)
    coverage = [np.asarray(layer.reduce(_FINE), np.float32) / 255 for layer in (lit, ghost)]
    return Segments(coverage[0], coverage[1], tuple(boxes))


def _cell(digit: str, style: Style) -> list[tuple[Plane, bool]]:
    """Outlines ``[N, 2]`` of the seven segments of a digit 1 high, and whether each is lit."""
    lit = _SEGMENTS[digit] + style.optional.get(digit, "")
    half, w = style.stroke / 2, style.width
    middles = {
        "a": ((half, half), (w - half, half)),
        "b": ((w - half, half), (w - half, 0.5)),
        "c": ((w - half, 0.5), (w - half, 1 - half)),
        "d": ((half, 1 - half), (w - half, 1 - half)),
        "e": ((half, 0.5), (half, 1 - half)),
        "f": ((half, half), (half, 0.5)),
        "g": ((half, 0.5), (w - half, 0.5)),
    }
    cell: list[tuple[Plane, bool]] = []
    for name, ends in middles.items():
        outline = _segment(np.array(ends), style)
        slanted = outline + np.array([[style.slant, 0]]) * (1 - outline[:, 1:])
        cell.append((slanted, name in lit))
    return cell


def _segment(ends: Plane, style: Style) -> Plane:
    """The outline of one segment from end to end, ``[2, 2]``: six corners, or four."""
    along = (ends[1] - ends[0]) / np.hypot(*(ends[1] - ends[0]))
    across = np.array([-along[1], along[0]]) * style.stroke / 2
    start, end = ends[0] + along * style.gap, ends[1] - along * style.gap
    if style.is_mitred:
        inset = along * style.stroke / 2
        corners = [start, start + inset + across, end - inset + across]
        corners += [end, end - inset - across, start + inset - across]
        return np.array(corners)
    # Cut straight: those across reach over the ends of the uprights.
    inset = along * style.stroke * (0.25 if along[0] == 0 else -0.5)
    return np.array(
        [start + inset + across, end - inset + across, end - inset - across, start + inset - across]
    )


def _turned(points: Plane, centre: tuple[float, float], angle: float) -> Plane:
    cos, sin = math.cos(angle), math.sin(angle)
    turned: Plane = (points - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre
    return turned


def _lcd(layers: Segments, rng: Rng) -> Plane:
    """Dark segments on a gray-green glass, with their shadow: ``[H, W, 3]``, 0..1."""
    lit, ghost = layers.lit, layers.ghost
    glass = np.array([0.62, 0.68, 0.55]) * rng.uniform(0.7, 1.3)
    contrast = rng.uniform(0.45, 0.9)
    shift = rng.uniform(0, 2, 2)
    shadow = ndimage.shift(ndimage.gaussian_filter(lit, 1.5), shift, order=1)
    dark = np.maximum(lit * contrast, shadow * 0.25 * contrast)
    dark = np.maximum(dark, ghost * rng.uniform(0, 0.25) * contrast)
    levels: Plane = glass * (1 - dark[..., np.newaxis]) * _falling_light(lit, rng)
    return levels


def _led(layers: Segments, height: float, rng: Rng) -> Plane:
    """Glowing segments on dark glass: ``[H, W, 3]``, 0..1."""
    lit, ghost = layers.lit, layers.ghost
    colour = np.array(_LEDS[int(rng.integers(len(_LEDS)))])
    glow = ndimage.gaussian_filter(lit, 0.12 * height) * rng.uniform(0, 0.5)
    level = lit + glow + ghost * (1 - lit) * rng.uniform(0, 0.22)
    # A bright LED saturates the camera: its middle looks white.
    white = np.clip(lit * rng.uniform(0, 0.6), 0, 1)[..., np.newaxis]
    glass = rng.uniform(0.01, 0.15) * _falling_light(lit, rng)
    bright = np.clip(level, 0, 1)[..., np.newaxis] * (colour * (1 - white) + white)
    levels: Plane = glass + rng.uniform(0.6, 1) * bright * (1 - glass)
    return levels


def _falling_light(like: Plane, rng: Rng) -> Plane:
    """Light that falls off to one side: ``[H, W, 1]``, 0.7..1."""
    y, x = (np.linspace(0, 1, side) for side in like.shape)
    angle = rng.uniform(0, math.pi / 2)
    along = (np.cos(angle) * x + np.sin(angle) * y[:, np.newaxis]) / 1.42
    light: Plane = (1 - 0.3 * rng.random() * along)[..., np.newaxis]
    return light
