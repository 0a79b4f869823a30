"""Printed numbers in ten typefaces that no reader of this project is trained on.

The typefaces are those of PyPI's ``fontpkg-...`` packages, which carry files of Google Fonts (SIL
Open Font License): `pip install 'mnist-edge[typefaces]'`.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge_trainer.numbers.test_sets.photographs import blank_page, photograph
from mnist_edge_trainer.numbers.test_sets.records import Mark, NumberPicture, Rng

__all__ = ["TYPEFACES", "in_print", "missing_typefaces"]

TYPEFACES = {
    "arvo": "Arvo-Regular.ttf",
    "barlow": "Barlow-Regular.ttf",
    "crimson-text": "CrimsonText-Regular.ttf",
    "fjalla-one": "FjallaOne-Regular.ttf",
    "ibm-plex-mono": "IBMPlexMono-Regular.ttf",
    "libre-baskerville": "LibreBaskerville[wght].ttf",
    "rajdhani": "Rajdhani-Regular.ttf",
    "space-mono": "SpaceMono-Regular.ttf",
    "titillium-web": "TitilliumWeb-Regular.ttf",
    "varela-round": "VarelaRound-Regular.ttf",
}
"""Typefaces with or without serifs, narrow, wide, of one width, squared, rounded, with a dotted
zero: the ``NAME`` of ``fontpkg-NAME``, and the file in it."""


def missing_typefaces() -> list[str]:
    """The packages of `TYPEFACES` that are not installed."""
    packages = {f"fontpkg-{name}": name for name in TYPEFACES}
    return [package for package, name in packages.items() if _file(name) is None]


def in_print(typeface: str, length: int, rng: Rng) -> NumberPicture:
    """A printed number on a photographed page.

    Args:
        typeface: one of `TYPEFACES`, installed.
        length: digits.
        rng: of the digits, the page, and the camera.
    """
    path = _file(typeface)
    assert path is not None, f"{typeface} is not installed"
    text = "".join(str(digit) for digit in rng.integers(0, 10, length))
    height = float(np.exp(rng.uniform(math.log(14), math.log(90))))
    # Figures are about 0.7 of a typeface's size.
    font = ImageFont.truetype(path, round(height / 0.7))
    spacing = rng.uniform(0, 0.12) * height
    places, x = [], 0.0
    for digit in text:
        places.append(round(x))
        x += font.getlength(digit) + spacing
    margin = rng.uniform(0.6, 3, 2) * height
    size = max(100, round(2.2 * height + margin[1])), max(100, round(x + 2 * margin[0]))
    page = blank_page(size, rng)
    rows, columns = page.colours.shape[:2]
    left, top = round((columns - x) / 2), round((rows - 1.3 * height) / 2)
    dark = rng.uniform(0, 0.3)
    colour = dark, dark, dark + rng.uniform(0, 0.3)
    for digit, place in zip(text, places, strict=True):
        mark = _stamped(digit, font, left + place, top)
        page.ink(mark, colour)
        page.marks.append(mark)
    return photograph(page, text, rng, tilt=4)


def _stamped(digit: str, font: ImageFont.FreeTypeFont, x: int, y: int) -> Mark:
    x0, y0, x1, y1 = (int(side) for side in font.getbbox(digit))
    image = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
    ImageDraw.Draw(image).text((1 - x0, 1 - y0), digit, font=font, fill=255)
    return Mark(np.asarray(image, np.float32) / 255, x + x0 - 1, y + y0 - 1)


def _file(typeface: str) -> Path | None:
    """Path of a typeface's file; None where its package is not installed."""
    spec = importlib.util.find_spec(f"fontpkg_{typeface.replace('-', '_')}")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "files" / TYPEFACES[typeface]
    return path if path.is_file() else None
