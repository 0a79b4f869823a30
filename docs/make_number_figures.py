"""Draws the figures of docs/read.md: `python docs/make_number_figures.py [FOLDER]`.

Each is a picture of samples/numbers, with the boxes and the digits that the bundled reader finds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mnist_edge.errors import NoDigitError
from mnist_edge.reader import NumberReader

ROOT = Path(__file__).resolve().parents[1]

_ACCENT = "#d64545"
_WIDTH = 300
_QUALITY = 80
"""Of the JPEG files."""


def annotated(path: Path, reader: NumberReader) -> Image.Image:
    """The picture, with a box round every digit, and the digit above it."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    scale = _WIDTH / picture.width
    picture = picture.resize((_WIDTH, round(picture.height * scale)), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    try:
        numbers = reader.read(path).numbers
    except NoDigitError:
        numbers = ()
    for digit in (digit for number in numbers for digit in number.digits):
        x0, y0, x1, y1 = (side * scale for side in digit.box)
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=_ACCENT)
        draw.text(
            ((x0 + x1) / 2, y0 - 3),
            "?" if digit.digit is None else str(digit.digit),
            _ACCENT,
            font,
            "ms",
        )
    return picture


def main(folder: Path) -> None:
    """Draws every figure."""
    reader = NumberReader()
    for path in sorted((ROOT / "samples" / "numbers").glob("*.jpg")):
        annotated(path, reader).save(folder / f"read-{path.stem}.jpg", quality=_QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "figures")
