"""Cuts a line of digits out of a picture: straight, 32 pixels high, without its background."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from mnist_edge.numbers.text_line import LINE_HEIGHT, TextLine
from mnist_edge.preprocess.background import GrayPlane
from mnist_edge.preprocess.order_statistics import percentile
from mnist_edge.types import FloatImage, GrayImage

__all__ = ["DIGIT_HEIGHT", "LinePlace", "cut_line"]

DIGIT_HEIGHT = 24
"""Height of the digits in a line's image, pixels."""

_MARGIN = 0.45
"""Paper at both ends of a line, of the digits' height: its ends are not found to the pixel."""

_FINE = 2
"""The line is cut out at twice its size, and averaged."""

_WINDOW = 15
"""Window of the background's opening, pixels of the line: wider than any stroke."""

_LONGEST = 1_024
"""Width of a line's image at most, pixels: 20 digits take half of it."""

_STANDING_OUT = 0.3
"""Ink stands out by more than this part of the strongest."""

_LEAST_CONTRAST = 6.0
"""Gray levels; fainter ink is noise, and is not stretched further."""

_FULL = 235.0
"""Level that most of the ink is brought to."""


class LinePlace(NamedTuple):
    """Where a line of digits lies, in pixels of the picture.

    Attributes:
        start, end: ends of its centre line, x and y: outer sides of the first and last digit.
        height: of the digits.
        is_dark: its ink is darker than its paper.
        confidence: that it is a line of digits, 0..1.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    height: float
    is_dark: bool
    confidence: float = 1.0


def cut_line(plane: GrayPlane, place: LinePlace) -> TextLine:
    """Cuts out a line, straightens it, and subtracts its background.

    Args:
        plane: the picture.
        place: where the line lies in it.

    Returns:
        the line, its digits about 24 pixels high.
    """
    (x0, y0), (x1, y1) = place.start, place.end
    length = math.hypot(x1 - x0, y1 - y0)
    cos, sin = ((x1 - x0) / length, (y1 - y0) / length) if length > 0 else (1.0, 0.0)
    scale = place.height / DIGIT_HEIGHT  # pixels of the picture for one of the line
    margin = _MARGIN * place.height
    width = math.ceil((length + 2 * margin) / scale / 4) * 4
    if width > _LONGEST:
        scale, width = (length + 2 * margin) / _LONGEST, _LONGEST
    # The line's upper left corner, in the picture.
    half = LINE_HEIGHT / 2 * scale
    left = x0 - margin * cos + half * sin
    top = y0 - margin * sin - half * cos
    to_picture = np.array([[cos * scale, -sin * scale, left], [sin * scale, cos * scale, top]])
    gray = _straightened(plane.pixels, to_picture, width)
    ink = GrayPlane(gray, plane.scales_with_light).top_hat(place.is_dark, _WINDOW)
    return TextLine(_stretched(ink), to_picture, place.confidence)


def _straightened(
    pixels: GrayImage, to_picture: np.typing.NDArray[np.float64], width: int
) -> GrayImage:
    """The line's part of a picture: uint8 ``[32, width]``; outside it is paper."""
    corners = to_picture @ np.array(
        [[0, width, 0, width], [0, 0, LINE_HEIGHT, LINE_HEIGHT], [1] * 4]
    )
    rows, columns = pixels.shape
    scale = math.hypot(*to_picture[:, 0])
    reduction = max(1, int(scale / _FINE))
    border = 4 * reduction
    first_x, first_y = (math.floor(side) - border for side in corners.min(axis=1).tolist())
    last_x, last_y = (math.ceil(side) + border for side in corners.max(axis=1).tolist())
    near = pixels[max(0, first_y) : max(0, last_y), max(0, first_x) : max(0, last_x)]
    if not near.size:
        return np.zeros((LINE_HEIGHT, width), np.uint8)
    outside = (
        (max(0, -first_y), max(0, last_y - rows)),
        (max(0, -first_x), max(0, last_x - columns)),
    )
    if any(map(any, outside)):
        # Not as at the border: ink that is cut off there would go on as a streak.
        near = np.pad(near, outside, constant_values=int(np.median(near)))
    image = Image.fromarray(np.ascontiguousarray(near))
    if reduction > 1:
        image = image.reduce(reduction)
    # From pixels of the enlarged line to those of `image`.
    step = to_picture[:, :2] / _FINE / reduction
    origin = (to_picture[:, 2] - (first_x, first_y)) / reduction
    fine = image.transform(
        (width * _FINE, LINE_HEIGHT * _FINE),
        Image.Transform.AFFINE,
        (*step[0].tolist(), float(origin[0]), *step[1].tolist(), float(origin[1])),
        Image.Resampling.BILINEAR if scale > 1 / _FINE else Image.Resampling.BICUBIC,
    )
    return np.asarray(fine.reduce(_FINE))


def _stretched(ink: FloatImage) -> GrayImage:
    """Brings most of the ink to one level: uint8, 0 = background."""
    strongest = percentile(ink.ravel(), 99.5)
    values = ink[ink > _STANDING_OUT * strongest]
    level = max(percentile(values, 70) if len(values) else 0.0, _LEAST_CONTRAST)
    floor = min(percentile(ink.ravel(), 50), 0.3 * level)
    stretched = (ink - floor) * (_FULL / (level - floor))
    line: GrayImage = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    return line
