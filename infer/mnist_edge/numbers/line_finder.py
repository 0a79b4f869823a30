"""Finds the lines of digits of a picture, and cuts them out.

::

    gray plane -> overview -> network -> cores of lines -> places -> straightened strips
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.numbers.line_image import LinePlace, cut_line
from mnist_edge.numbers.line_model import FinderModel, LineMaps
from mnist_edge.numbers.text_line import LINE_HEIGHT, TextLine
from mnist_edge.preprocess.background import GrayPlane, to_gray
from mnist_edge.preprocess.components import connected_components
from mnist_edge.preprocess.neighbors import DigitRow
from mnist_edge.preprocess.normalize import normalize_and_look_round
from mnist_edge.types import GrayImage, Pixels

__all__ = ["LineFinder", "clean_strip", "cut_row", "find_places"]

_OVERVIEW = 320
"""Longer side of the overview, pixels."""

_STEP = 32
"""Its sides are multiples of this: the network halves them five times."""

_CELL = 4

_LIKELY, _LEAST_LIKELY = 0.5, 0.75
"""A cell is of a core from the first probability on; a core's mean must be above the second."""

_FEWEST_CELLS = 2

_NEAR = 14.0
"""Digits below this, pixels of the overview, are looked at again from near."""

_CLOSE_UP = 6.0
"""Width and height of what is looked at again, of the digits' height beside the line itself."""

_CERTAIN = 0.8
"""Confidence of a number where the network finds no line, and the front end a row of ink."""

_GAP = 2.0
"""Two parts of a line that are nearer than this, of the digits' height, are one."""

_MOST_LINES = 64

_STRIP = (20, 64)
"""Heights of a clean strip, pixels."""

_STRIP_ASPECT = 0.8
_CUT_OFF = 0.05
"""Part of a clean strip's border that may be ink: a digit that just reaches it."""

_CLEAR = 0.85
"""Part of a clean strip's pixels that are near its paper's level, or its ink's."""


class LineFinder:
    """Finds lines of digits.

    Args:
        model: path of an ``.onnx`` file; None = the bundled one.
        threads: that onnxruntime may use within one operator.

    Raises:
        ModelError: the model file is missing, damaged, or not a line finder.
    """

    def __init__(self, model: str | Path | None = None, threads: int = 1) -> None:
        self.model = FinderModel.load(model, threads)

    def find(self, picture: Pixels) -> list[TextLine]:
        """Finds the lines of a picture.

        Args:
            picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB.

        Returns:
            the lines, straightened; none where there is no digit.
        """
        plane = to_gray(picture)
        if (strip := clean_strip(plane.pixels)) is not None:
            return [strip]
        if places := self._places(plane):
            return [cut_line(plane, place) for place in places]
        # A few plain strokes look like marks to the network, and like digits to the front end.
        row = normalize_and_look_round(picture)[1]
        if row is None:
            return []
        return [dataclasses.replace(cut_row(row), least_confidence=_CERTAIN)]

    def _places(self, plane: GrayPlane) -> list[LinePlace]:
        """Lines, in pixels of the plane; small ones are searched for again from near."""
        rows, columns = plane.pixels.shape
        scale = max(rows, columns) / _OVERVIEW
        found: list[LinePlace] = []
        for place in self._look(plane, (0.0, 0.0, float(columns), float(rows))):
            if place.height < _NEAR * scale and scale > 1.5:
                found += self._look_closer(plane, place) or [place]
            else:
                found.append(place)
        return _joined(found)[:_MOST_LINES]

    def _look_closer(self, plane: GrayPlane, place: LinePlace) -> list[LinePlace]:
        """Searches the surroundings of a small line in more detail."""
        rows, columns = plane.pixels.shape
        margin = _CLOSE_UP / 2 * place.height
        xs, ys = zip(place.start, place.end, strict=True)
        box = (
            max(0.0, min(xs) - margin),
            max(0.0, min(ys) - margin),
            min(float(columns), max(xs) + margin),
            min(float(rows), max(ys) + margin),
        )
        middle = ((xs[0] + xs[1]) / 2, (ys[0] + ys[1]) / 2)
        # Other lines nearby are found on their own.
        return [near for near in self._look(plane, box) if _contains(near, middle)]

    def _look(self, plane: GrayPlane, box: tuple[float, float, float, float]) -> list[LinePlace]:
        """Lines in a part of the plane, in pixels of the plane."""
        width, height = box[2] - box[0], box[3] - box[1]
        if min(width, height) < 1:
            return []
        longer = max(width, height)
        # Small pictures are enlarged, but not without end: there is nothing more to see.
        side = min(float(_OVERVIEW), max(96.0, 3 * longer))
        size = (
            max(1, round(width * side / longer)),
            max(1, round(height * side / longer)),
        )
        seen = plane.resize(size, box).pixels
        down, across = -seen.shape[0] % _STEP, -seen.shape[1] % _STEP
        maps = self.model.run(_even_light(np.pad(seen, ((0, down), (0, across)), mode="edge")))
        x_scale, y_scale = width / size[0], height / size[1]
        return [
            LinePlace(
                (box[0] + x0 * x_scale, box[1] + y0 * y_scale),
                (box[0] + x1 * x_scale, box[1] + y1 * y_scale),
                tall * y_scale,
                is_dark,
                confidence,
            )
            for (x0, y0), (x1, y1), tall, is_dark, confidence in find_places(maps)
        ]


def cut_row(row: DigitRow) -> TextLine:
    """Cuts out what the front end takes for a row of digits."""
    middle = (row.top + row.bottom) / 2
    place = LinePlace(
        (row.left, middle), (row.right, middle), row.bottom - row.top, is_dark=row.is_dark
    )
    return cut_line(row.plane, place)


def _even_light(overview: GrayImage) -> GrayImage:
    """Stretches a dark overview: most of its levels reach 255."""
    high = int(np.percentile(overview, 99))
    if high >= 128:
        return overview
    table = np.minimum(np.arange(256) * (200 / max(8, high)), 255).astype(np.uint8)
    bright: GrayImage = table[overview]
    return bright


def find_places(maps: LineMaps) -> list[LinePlace]:
    """Finds the lines in what the network says, in pixels of the overview."""
    labels, count = connected_components(maps.core > _LIKELY)
    places: list[LinePlace] = []
    for number in range(1, count + 1):
        ys, xs = np.nonzero(labels == number)
        weights = maps.core[ys, xs]
        if len(xs) < _FEWEST_CELLS or float(weights.mean()) < _LEAST_LIKELY:
            continue
        height = float(np.exp(np.average(np.log(maps.height[ys, xs]), weights=weights)))
        slant = math.asin(float(np.average(maps.slant[ys, xs], weights=weights)))
        x = (xs + 0.5) * _CELL
        y = (ys + 0.5) * _CELL
        angle = _angle(x, y, weights, height, slant)
        cos, sin = math.cos(angle), math.sin(angle)
        x_mean, y_mean = np.average(x, weights=weights), np.average(y, weights=weights)
        along = (x - x_mean) * cos + (y - y_mean) * sin
        first, last = float(along.min()) - _CELL / 2, float(along.max()) + _CELL / 2
        is_dark = float(np.average(maps.dark[ys, xs], weights=weights)) > 0.5
        places.append(
            LinePlace(
                (float(x_mean) + first * cos, float(y_mean) + first * sin),
                (float(x_mean) + last * cos, float(y_mean) + last * sin),
                height,
                is_dark,
                float(weights.mean()),
            )
        )
    return _joined(places)


def _angle(
    x: npt.NDArray[np.floating[Any]],
    y: npt.NDArray[np.floating[Any]],
    weights: npt.NDArray[np.float32],
    height: float,
    slant: float,
) -> float:
    """A long core's own direction; that which the network says of a short one."""
    covariance = np.cov(np.stack([x, y]), aweights=weights) if len(x) > 2 else np.zeros((2, 2))
    own = 0.5 * math.atan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])
    length = float(np.ptp(x * math.cos(slant) + y * math.sin(slant)))
    trust = min(1.0, max(0.0, (length - height) / (2 * height)))
    return slant + trust * (own - slant) if abs(own - slant) < 0.5 else slant


def _contains(place: LinePlace, point: tuple[float, float]) -> bool:
    """Whether a point lies on a line's digits, or beside them by half their height at most."""
    (x0, y0), (x1, y1) = place.start, place.end
    length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
    cos, sin = (x1 - x0) / length, (y1 - y0) / length
    along = (point[0] - x0) * cos + (point[1] - y0) * sin
    across = (point[1] - y0) * cos - (point[0] - x0) * sin
    reach = place.height / 2
    return -reach <= along <= length + reach and abs(across) <= reach


def _joined(places: list[LinePlace]) -> list[LinePlace]:
    """Joins the parts of one line, and drops what was found twice; from the left."""
    rest = sorted(places, key=lambda place: place.start[0])
    joined: list[LinePlace] = []
    for place in rest:
        for number, other in enumerate(joined):
            if _are_one(other, place):
                joined[number] = _union(other, place)
                break
        else:
            joined.append(place)
    return joined


def _are_one(left: LinePlace, right: LinePlace) -> bool:
    """Whether the right one goes on where the left one ends, with digits of its size."""
    tall = max(left.height, right.height)
    if min(left.height, right.height) < 0.6 * tall or left.is_dark != right.is_dark:
        return False
    (x0, y0), (x1, y1) = left.start, left.end
    length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
    cos, sin = (x1 - x0) / length, (y1 - y0) / length
    middle = ((right.start[0] + right.end[0]) / 2, (right.start[1] + right.end[1]) / 2)
    across = (middle[1] - y0) * cos - (middle[0] - x0) * sin
    gap = math.hypot(right.start[0] - x1, right.start[1] - y1)
    beyond = (right.start[0] - x1) * cos + (right.start[1] - y1) * sin
    if length < 1.2 * tall:  # too short to have a direction
        across = right.start[1] - y1
    return abs(across) < 0.45 * tall and beyond < _GAP * tall and (gap < _GAP * tall or beyond < 0)


def _union(left: LinePlace, right: LinePlace) -> LinePlace:
    one, other = (math.dist(place.start, place.end) for place in (left, right))
    part = one / max(1e-6, one + other)
    end = max(left.end, right.end, key=lambda point: point[0])
    return LinePlace(
        left.start,
        end,
        left.height * part + right.height * (1 - part),
        left.is_dark,
        max(left.confidence, right.confidence),
    )


def clean_strip(picture: GrayImage) -> TextLine | None:
    """A picture that is a line already: digits side by side on a plain background.

    Args:
        picture: uint8 ``[H, W]``.

    Returns:
        the line, without the network; None where it may be anything else.
    """
    rows, columns = picture.shape
    if not _STRIP[0] <= rows <= _STRIP[1] or columns < _STRIP_ASPECT * rows or columns > 40 * rows:
        return None
    paper = int(np.bincount(picture.ravel(), minlength=256).argmax())
    if 40 < paper < 215:
        return None
    ink = np.abs(picture.astype(np.int16) - paper)
    strongest = int(ink.max())
    if strongest < 100:
        return None
    if float(((ink < 0.15 * strongest) | (ink > 0.7 * strongest)).mean()) < _CLEAR:
        return None
    inked = ink > 0.4 * strongest
    tall = np.flatnonzero(inked.any(axis=1))
    height = int(tall[-1] - tall[0] + 1)
    edge = np.concatenate([inked[0], inked[-1], inked[:, 0], inked[:, -1]])
    if height < 10 or float(edge.mean()) > _CUT_OFF or float(inked.mean()) > 0.45:
        return None
    scale = height / 24 if height < 0.85 * rows else rows / LINE_HEIGHT
    scale = min(max(scale, 0.4), 2.7)
    width = max(8, math.ceil(columns / scale / 4) * 4)
    middle = (tall[0] + tall[-1] + 1) / 2
    top = middle - LINE_HEIGHT / 2 * scale
    levels = np.clip(ink * (255 / strongest), 0, 255).astype(np.uint8)
    image = Image.fromarray(levels).transform(
        (width, LINE_HEIGHT),
        Image.Transform.AFFINE,
        (scale, 0, 0, 0, scale, top),
        Image.Resampling.BICUBIC if scale < 1.3 else Image.Resampling.BILINEAR,
    )
    to_picture = np.array([[scale, 0.0, 0.0], [0.0, scale, top]])
    return TextLine(np.asarray(image), to_picture)
