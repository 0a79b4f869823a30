"""Draws everything under tests/data: pictures of digits, scans, and pictures of no digit.

    python make_pictures.py FONTS [--out FOLDER]

FONTS is the folder @fontsource that `npm install --ignore-scripts @fontsource/NAME@5.3.0` leaves in
node_modules, with every NAME listed in FACES below. The stroke font and the photographs come with
`pip install Hershey-Fonts==2.1.0 scikit-image==0.26.0 scikit-learn==1.9.1` (Pillow 13.0.0 drew the
files kept here). README.md beside this file has the licences.

Which digit is drawn as which kind of picture follows from its place in the lists, and the random
numbers from the name of the file, so nothing was picked by hand.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
from HersheyFonts import HersheyFonts
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps
from skimage.morphology import skeletonize
from sklearn.datasets import load_digits, load_sample_images

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
LETTERS = "EFHKMNRWXkmw"  # none that some hand writes like a digit
SYMBOLS = "#&@%+=*"
PHOTOGRAPHS = (
    "astronaut",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "hubble_deep_field",
    "retina",
    "rocket",
)
TEXTURES = ("brick", "grass", "gravel")

GLYPH = 480  # the height, or the width if that is more, of a glyph before it is put on a page

Glyph = Image.Image  # mode L, 255 where the ink is, cropped to it
Rng = np.random.Generator
Colour = tuple[int, int, int]


# Glyphs


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


# Pages


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


def save(image: Image.Image, path: Path, quality: int = 70) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality, optimize=True)


def draw(glyph: Glyph, name: str, place: int, out: Path) -> None:
    """Save the glyph as the kind of picture whose turn it is."""
    kind = list(KINDS)[place % len(KINDS)]
    file = f"{name}-{kind.__name__}.{KINDS[kind]}"
    save(kind(glyph, random_for(file)), out / file)


def random_for(name: str) -> Rng:
    return np.random.default_rng(zlib.crc32(name.encode()))


# The folders


def faces(fonts: Path) -> dict[str, Callable[[str], Glyph]]:
    """A function that draws a text, for each source by name."""
    drawers: dict[str, Callable[[str], Glyph]] = {STROKES: from_strokes}
    for face in FACES:
        path = fonts / face / "files" / f"{face}-latin-400-normal.woff2"
        drawers[face] = partial(from_font, path)
    return drawers


def pictures(fonts: Path, out: Path) -> None:
    for row, (face, drawer) in enumerate(faces(fonts).items()):
        for digit in range(10):  # 5 and the number of kinds share no factor
            draw(drawer(str(digit)), f"{digit}-{face}", row + 5 * digit, out)


def scans(out: Path) -> None:
    """The first six of every digit in scikit-learn's test part of the UCI optical digits."""
    data = load_digits()
    for digit in range(10):
        for index in np.flatnonzero(data.target == digit)[:6]:
            levels = (data.images[index] * 255 / 16).round().astype(np.uint8)
            save(Image.fromarray(levels), out / f"{digit}-optdigits-{index}.png")


def scribble(rng: Rng) -> Glyph:
    """A line that wanders and crosses itself many times."""
    turns = int(rng.integers(25, 50))
    knots = rng.uniform(0, 400, (turns, 2))
    soft = [np.convolve(np.repeat(axis, 12), np.ones(18) / 18, "valid") for axis in knots.T]
    return polyline([list(zip(*soft, strict=True))], int(rng.integers(6, 16)))


def not_digits(fonts: Path, out: Path) -> None:
    drawers = list(faces(fonts).items())
    for place, letter in enumerate(LETTERS * 3):
        face, drawer = drawers[(1 + place) % len(drawers)]
        case = "upper" if letter.isupper() else "lower"
        draw(drawer(letter), f"letter-{case}-{letter.lower()}-{face}", 5 * place + place // 12, out)
    for place, symbol in enumerate(SYMBOLS * 2):
        face, drawer = drawers[5 * place % len(drawers)]
        draw(drawer(symbol), f"symbol-u{ord(symbol):04x}-{face}", 7 * place, out)
    for place in range(12):
        draw(scribble(random_for(f"scribble {place}")), f"scribble-{place}", place, out)

    photographs = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS + TEXTURES}
    samples = load_sample_images()
    photographs |= dict(zip(("china", "flower"), samples.images, strict=True))
    for name, pixels in photographs.items():
        photo = Image.fromarray(pixels).convert("RGB")
        photo.thumbnail((320, 320))
        label = "texture" if name in TEXTURES else "photo"
        save(photo, out / f"{label}-{name.replace('_', '-')}.jpg", 60)
    horse = Image.fromarray(skimage.data.horse()).convert("L")
    horse.thumbnail((320, 320))
    save(horse, out / "photo-horse.png")

    noise = random_for("noise").uniform(0, 255, (96, 96)).astype(np.uint8)
    save(Image.fromarray(noise), out / "texture-noise.png")
    save(Image.linear_gradient("L"), out / "texture-gradient.png")
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 255
    save(Image.fromarray(checks.astype(np.uint8)), out / "texture-checks.png")
    save(Image.new("L", (200, 200), 255), out / "blank-white.png")
    paper = np.array([238, 234, 224]) - 8 * clouds((240, 180), 3, random_for("paper"))
    save(Image.fromarray(paper.astype(np.uint8)), out / "blank-paper.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fonts", type=Path, help="the folder @fontsource in node_modules")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    options = parser.parse_args()
    pictures(options.fonts, options.out / "pictures")
    scans(options.out / "scans")
    not_digits(options.fonts, options.out / "not-digits")


if __name__ == "__main__":
    main()
