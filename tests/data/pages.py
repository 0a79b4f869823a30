"""Kinds of picture: a glyph on a page, as a pen, a phone, chalk and others would have made it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from tests.data.glyphs import GLYPH, Glyph, Rng, fattened, fit, thinned

__all__ = ["KINDS", "clouds"]

Colour = tuple[int, int, int]


def on_page(glyph: Glyph, page: tuple[int, int], share: float, rng: Rng, turn: float = 0) -> Glyph:
    """Lay the glyph somewhere on an empty page, touching no edge, `share` of the shorter side."""
    glyph = ImageOps.expand(glyph, GLYPH // 2).rotate(
        rng.uniform(-turn, turn), Image.Resampling.BICUBIC
    )
    glyph = fit(glyph, max(8, round(share * min(page))))
    room = [length - ink for length, ink in zip(page, glyph.size, strict=True)]
    left, top = (round(space * rng.uniform(0.4, 0.6)) for space in room)
    canvas = Image.new("L", page)
    canvas.paste(glyph, (left, top))
    return canvas


def clouds(page: tuple[int, int], cells: int, rng: Rng) -> np.ndarray:
    """Smooth noise between 0 and 1, with a last axis for colours."""
    small = Image.fromarray(rng.uniform(0, 255, (cells, cells)).astype(np.uint8))
    return np.asarray(small.resize(page, Image.Resampling.BICUBIC), float)[..., None] / 255


def grain(page: tuple[int, int], rng: Rng) -> np.ndarray:
    noise = Image.fromarray(rng.uniform(0, 255, page[::-1]).astype(np.uint8))
    return np.asarray(noise.filter(ImageFilter.GaussianBlur(0.8)), float)[..., None] / 255


def inked(ink: np.ndarray, paper: np.ndarray | Colour, colour: Colour) -> Image.Image:
    rgb = (1 - ink) * np.asarray(paper, float) + ink * np.asarray(colour, float)
    return Image.fromarray(np.clip(rgb, 0, 255).round().astype(np.uint8))


def cover(image: Glyph) -> np.ndarray:
    return np.asarray(image, float)[..., None] / 255


def square(rng: Rng, low: int, high: int) -> tuple[int, int]:
    side = int(rng.integers(low, high + 1))
    return side, side


def page(glyph: Glyph, rng: Rng) -> Image.Image:
    ink = on_page(glyph, square(rng, 180, 420), rng.uniform(0.45, 0.75), rng, 4)
    return inked(cover(ink), (255, 255, 255), (24, 24, 32)).quantize(32)


def phone(glyph: Glyph, rng: Rng) -> Image.Image:
    width = int(rng.choice([300, 480, 720, 900]))
    size = (width, width * 4 // 3)
    ink = on_page(glyph, size, rng.uniform(0.3, 0.6), rng, 10)
    ink = ink.filter(ImageFilter.GaussianBlur(width / 500))
    top, bottom = rng.permutation([0.72, 1.0])
    slope = np.linspace(float(top), float(bottom), size[1])[:, None, None]
    light = slope * (0.9 + 0.1 * clouds(size, 4, rng))
    paper = np.array([236, 230, 216]) * light
    colour = ((30, 30, 36), (28, 40, 110), (20, 60, 130))[int(rng.integers(3))]
    photo = np.asarray(inked(0.92 * cover(ink), paper, colour), float)
    return Image.fromarray(np.clip(photo + 12 * (grain(size, rng) - 0.5), 0, 255).astype(np.uint8))


def colour(glyph: Glyph, rng: Rng) -> Image.Image:
    pairs: tuple[tuple[Colour, Colour], ...] = (
        ((190, 30, 40), (250, 236, 150)),
        ((30, 60, 170), (250, 205, 215)),
        ((20, 110, 60), (245, 240, 220)),
        ((110, 40, 150), (200, 228, 245)),
        ((90, 50, 20), (214, 184, 140)),
        ((10, 90, 150), (190, 235, 190)),
        ((200, 60, 0), (225, 220, 245)),
    )
    pen, paper = pairs[int(rng.integers(len(pairs)))]
    ink = on_page(glyph, square(rng, 160, 400), rng.uniform(0.4, 0.7), rng, 6)
    return inked(cover(ink), paper, pen)


def chalk(glyph: Glyph, rng: Rng) -> Image.Image:
    size = (int(rng.integers(240, 480)), int(rng.integers(240, 480)))
    ink = cover(on_page(glyph, size, rng.uniform(0.45, 0.7), rng, 6))
    board = np.array(((38, 66, 52), (34, 36, 38))[int(rng.integers(2))])
    board = board + 26 * clouds(size, 5, rng)
    return inked(ink * np.clip(0.25 + 1.1 * grain(size, rng), 0, 1), board, (238, 236, 228))


def clear(glyph: Glyph, rng: Rng, level: int = 0) -> Image.Image:
    ink = on_page(glyph, square(rng, 120, 360), rng.uniform(0.5, 0.8), rng, 4)
    flat = Image.new("L", ink.size, level)
    return Image.merge("LA", (flat, ink))


def clearwhite(glyph: Glyph, rng: Rng) -> Image.Image:
    return clear(glyph, rng, 255)


def corner(glyph: Glyph, rng: Rng) -> Image.Image:
    width, height = 440, 330
    small = fit(glyph, round(height * rng.uniform(0.14, 0.22)))
    ink = Image.new("L", (width, height))
    left, top = (
        round(rng.choice([rng.uniform(0.05, 0.2), rng.uniform(0.8, 0.95)]) * room)
        for room in (width - small.width, height - small.height)
    )
    ink.paste(small, (left, top))
    return inked(cover(ink), (252, 252, 250), (30, 30, 60)).quantize(32)


def thin(glyph: Glyph, rng: Rng) -> Image.Image:
    return page(thinned(glyph, rng), rng)


def fat(glyph: Glyph, rng: Rng) -> Image.Image:
    ink = on_page(fattened(glyph), square(rng, 180, 420), rng.uniform(0.5, 0.75), rng, 4)
    marker = ((20, 20, 20), (180, 20, 30), (20, 50, 160), (10, 120, 60))[int(rng.integers(4))]
    return inked(cover(ink), (255, 255, 255), marker).quantize(32)


def bilevel(glyph: Glyph, rng: Rng) -> Image.Image:
    ink = on_page(glyph, square(rng, 64, 240), rng.uniform(0.5, 0.8), rng, 4)
    return ImageChops.invert(ink).point(lambda v: 255 * (v > 127)).convert("1")


def small(glyph: Glyph, rng: Rng) -> Image.Image:
    ink = on_page(glyph, square(rng, 32, 48), rng.uniform(0.6, 0.8), rng)
    return ImageChops.invert(ink)


def pencil(glyph: Glyph, rng: Rng) -> Image.Image:
    size = (int(rng.integers(260, 520)), int(rng.integers(260, 520)))
    ink = cover(on_page(glyph, size, rng.uniform(0.35, 0.6), rng, 8))
    paper = np.array([240, 238, 230]) - 10 * clouds(size, 4, rng)
    return inked(ink * np.clip(0.2 + 1.2 * grain(size, rng), 0, 1), paper, (104, 104, 110))


KINDS: dict[Callable[[Glyph, Rng], Image.Image], str] = {
    page: "png",
    phone: "jpg",
    colour: "webp",
    chalk: "jpg",
    clear: "png",
    clearwhite: "png",
    corner: "png",
    thin: "png",
    fat: "png",
    bilevel: "png",
    small: "png",
    pencil: "jpg",
}
