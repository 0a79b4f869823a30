"""Glyphs to draw pictures with: of fonts, of strokes, thinner and fatter ones, scribbles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from HersheyFonts import HersheyFonts
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from skimage.morphology import skeletonize

__all__ = ["GLYPH", "Glyph", "Rng", "faces", "fattened", "fit", "scribble", "thinned"]

FACES = (
    "caveat",
    "kalam",
    "patrick-hand",
    "indie-flower",
    "reenie-beanie",
    "shadows-into-light",
    "gloria-hallelujah",
    "homemade-apple",
    "covered-by-your-grace",
    "rock-salt",
    "permanent-marker",
    "schoolbell",
    "architects-daughter",
    "cedarville-cursive",
    "short-stack",
    "sue-ellen-francisco",
)
STROKES = "hershey"  # its simplex Roman face, one line per stroke

GLYPH = 480
"""Longer side of a glyph before it is put on a page, pixels."""

Glyph = Image.Image
"""Mode L, 255 where the ink is, cropped to it."""

Rng = np.random.Generator


def fit(image: Image.Image, side: int) -> Image.Image:
    """Crop to the ink and scale so that the longer side measures `side`."""
    image = image.crop(image.getbbox())
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def from_font(path: Path, text: str) -> Glyph:
    image = Image.new("L", (2000, 2000))
    ImageDraw.Draw(image).text((1000, 1000), text, 255, ImageFont.truetype(path, 600), "mm")
    return fit(image, GLYPH)


def from_strokes(text: str, pen: int = 36) -> Glyph:
    hershey = HersheyFonts()
    hershey.load_default_font("rowmans")
    return polyline([list(stroke) for stroke in hershey.strokes_for_text(text)], pen)


def polyline(strokes: list[list[tuple[float, float]]], pen: int) -> Glyph:
    points = np.array([point for stroke in strokes for point in stroke], float)
    low, span = points.min(0), max(float(np.ptp(points, 0).max()), 1.0)
    image = Image.new("L", (GLYPH + 2 * pen,) * 2)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        path = [tuple((np.array(point) - low) * GLYPH / span + pen) for point in stroke]
        draw.line(path, 255, pen, "curve")
        for x, y in (path[0], path[-1]):
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), 255)
    return fit(image, GLYPH)


def middle_line(glyph: Glyph) -> Image.Image:
    """The glyph as a line one pixel wide, with room around it."""
    smooth = ImageOps.expand(glyph, 80).filter(ImageFilter.GaussianBlur(7))
    return Image.fromarray(skeletonize(np.asarray(smooth) > 127)).convert("L")


def grown(image: Image.Image, pixels: float) -> Image.Image:
    for _ in range(round(pixels)):
        image = image.filter(ImageFilter.GaussianBlur(1.2)).point(lambda v: 255 * (v > 40))
    return image.filter(ImageFilter.GaussianBlur(1))


def thinned(glyph: Glyph, rng: Rng) -> Glyph:
    return fit(grown(middle_line(glyph), rng.uniform(4, 7)), GLYPH)


def fattened(glyph: Glyph) -> Glyph:
    line = np.asarray(middle_line(glyph)) > 0
    pen = (np.asarray(glyph) > 127).sum() / max(1, line.sum())
    return fit(grown(ImageOps.expand(glyph, 80), max(0.0, (0.14 * GLYPH - pen) / 2)), GLYPH)


def scribble(rng: Rng) -> Glyph:
    """A line that wanders and crosses itself many times."""
    turns = int(rng.integers(25, 50))
    knots = rng.uniform(0, 400, (turns, 2))
    soft = [np.convolve(np.repeat(axis, 12), np.ones(18) / 18, "valid") for axis in knots.T]
    return polyline([list(zip(*soft, strict=True))], int(rng.integers(6, 16)))


def faces(fonts: Path) -> dict[str, Callable[[str], Glyph]]:
    """A function that draws a text, for each source by name."""
    drawers: dict[str, Callable[[str], Glyph]] = {STROKES: from_strokes}
    for face in FACES:
        path = fonts / face / "files" / f"{face}-latin-400-normal.woff2"
        drawers[face] = partial(from_font, path)
    return drawers
