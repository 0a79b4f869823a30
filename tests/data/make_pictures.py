"""Draws every picture under tests/data: digits, scans, and non-digits.

    python -m tests.data.make_pictures FONTS [--output FOLDER]

FONTS is the folder @fontsource that `npm install --ignore-scripts @fontsource/NAME@5.3.0` leaves in
node_modules, with every NAME that FACES in `glyphs.py` lists. The stroke font and the photographs
come with `pip install Hershey-Fonts==2.1.0 scikit-image==0.26.0 scikit-learn==1.9.1` (Pillow 13.0.0
drew the files kept here). README.md beside this file has the licences.

Which digit is drawn as which kind of picture follows from its place in the lists, and the random
numbers from the name of the file: nothing was picked by hand.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from tests.data.glyphs import Glyph, Rng, faces, scribble
from tests.data.pages import KINDS, clouds

LETTERS = "EFHKMNRWXkmw"
"""Letters that no hand writes like a digit."""

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
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="where to write")
    options = parser.parse_args()
    pictures(options.fonts, options.output / "pictures")
    scans(options.output / "scans")
    not_digits(options.fonts, options.output / "not-digits")


if __name__ == "__main__":
    main()
