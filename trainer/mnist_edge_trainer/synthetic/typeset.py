"""Characters of typefaces, as a hand would bend them. The typefaces are those of matplotlib."""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["FACES", "UNICODE_FACE", "bend", "typeset"]

_FONT_SIZE = 160

_MARGIN = 16

FACES = (
    "DejaVuSans",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmtt10",
)
"""Typefaces that have Latin letters and digits."""

UNICODE_FACE = "DejaVuSans"
"""The typeface that has other scripts and symbols too."""


def typeset(text: str, face: str, rng: Rng) -> Image.Image:
    """Sets characters in a typeface, a little wider or narrower, slanted.

    Args:
        text: one character, or several.
        face: one of `FACES`.
        rng: decides width and slant.

    Returns:
        a gray picture, light on black.
    """
    font = _font(face)
    left, top, right, bottom = font.getbbox(text)
    margin = _MARGIN
    image = Image.new("L", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin))
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=255, font=font)
    width = image.width * rng.uniform(0.8, 1.2)
    slant = rng.uniform(-0.25, 0.35)
    sheared = image.transform(
        (image.width + image.height, image.height),
        Image.Transform.AFFINE,
        (1, slant, -image.height * max(0.0, slant), 0, 1, 0),
        Image.Resampling.BICUBIC,
    )
    return sheared.resize((round(sheared.width * width / image.width), image.height))


def bend(image: Image.Image, rng: Rng) -> Image.Image:
    """Bends a character as a hand would, and writes it with a thinner or a fatter pen.

    Four quarters of the picture are stretched, each differently, so that straight lines stay
    continuous and become crooked.
    """
    pen = int(rng.integers(-2, 3))
    if pen:
        filter_type = ImageFilter.MaxFilter if pen > 0 else ImageFilter.MinFilter
        image = image.filter(filter_type(2 * abs(pen) + 1))
    area = image.getbbox()
    if area is None:
        return image
    image = image.crop((area[0] - _MARGIN, area[1] - _MARGIN, area[2] + _MARGIN, area[3] + _MARGIN))
    xs = np.array([0, image.width // 2, image.width])
    ys = np.array([0, image.height // 2, image.height])
    moved = rng.uniform(-0.1, 0.1, (3, 3, 2)) * np.array(image.size)
    corners = np.stack(np.meshgrid(xs, ys), axis=-1) + moved
    mesh = []
    for row in range(2):
        for column in range(2):
            box = tuple(int(v) for v in (xs[column], ys[row], xs[column + 1], ys[row + 1]))
            quad = corners[[row, row + 1, row + 1, row], [column, column, column + 1, column + 1]]
            mesh.append((box, tuple(float(v) for v in quad.ravel())))
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", _FONT_SIZE
    )
