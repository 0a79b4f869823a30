"""A picture that is not MNIST's -> where its digit is, cut out, and put as MNIST would have put it.

::

    sheet -> the digit's pieces -> close-up -> 20 x 20 box -> 28 x 28
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.preprocess.background import GrayPicture, Plane, to_gray
from mnist_edge.preprocess.morphology import dilate
from mnist_edge.preprocess.proposals import INK_LEVEL, Proposal, bounding_box, find_digit
from mnist_edge.preprocess.strokes import normalize_width
from mnist_edge.types import Pixels

__all__ = ["crop_digit", "normalize", "overview"]

_SIDE, _BOX = 28, 20
_CENTRE = 14
"""Pixel index that the centre of mass is moved to (see `mnist_edge.preprocess.preprocessor`)."""

_OVERVIEW = 128
"""Longer side of the copy in which the digit is looked for, pixels; more in strips, whose area is
at least half of this squared."""

_ENLARGED = 64
"""Smaller pictures are enlarged to this, so that a stroke is some pixels wide."""

_CLOSE_UP = 80
"""Longer side of the digit in its close-up, pixels: four for one of the network's."""

_MARGIN = 0.25
"""Paper round the digit in its close-up, of the digit's longer side."""

_WHOLE = 0.6
"""Of a digit far away, what is found from near is as large as this part of it at least."""

_CLOSER, _NEAREST = 2.0, 8
"""Paper round what is looked at from near, of its longer side, and in pixels of the overview at
least: what was found may be a part of the digit."""

Grey = npt.NDArray[np.uint8]


def normalize(picture: Pixels) -> Grey | None:
    """MNIST's picture of the digit in `picture`, uint8 ``[28, 28]``; None where there is none."""
    sheet = to_gray(picture)
    found = find_digit(*overview(sheet))
    if found is not None and found.is_small:
        sheet, found = _look_closer(sheet, found)
    elif found is not None and found.fills_its_box and not found.is_dark:
        sheet, found = _look_inside(sheet, found)
    return None if found is None else crop_digit(sheet, found)


def overview(sheet: GrayPicture) -> tuple[GrayPicture, float]:
    """The picture at a size to look for the digit in, and how many times larger that is."""
    height, width = sheet.plane.shape
    longer = max(height, width)
    strip = math.sqrt(_OVERVIEW**2 / 2 / (height * width))
    scale = min(max(1.0, _ENLARGED / longer), max(_OVERVIEW / longer, strip))
    if scale == 1:
        return sheet, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return GrayPicture(_resize(sheet.plane, size), sheet.follows_light), scale


def _look_inside(sheet: GrayPicture, page: Proposal) -> tuple[GrayPicture, Proposal]:
    """What looks like a digit may be the page itself, on a darker desk: then the digit is in it.

    Returns:
        the page alone and the digit on it, or what was given where there is none on it.
    """
    height, width = page.digit.shape
    down, across = sheet.plane.shape[0] / height, sheet.plane.shape[1] / width
    rows, columns = bounding_box(page.digit)
    # Without the page's own border, which is no line on it.
    trim = 0.03 * max(rows.stop - rows.start, columns.stop - columns.start)
    inside = sheet.plane[
        round((rows.start + trim) * down) : round((rows.stop - trim) * down),
        round((columns.start + trim) * across) : round((columns.stop - trim) * across),
    ]
    if min(inside.shape) < _SIDE:
        return sheet, page
    inner = GrayPicture(inside, sheet.follows_light)
    found = find_digit(*overview(inner))
    if found is None or not found.is_dark or found.fills_its_box or not found.is_likely:
        return sheet, page
    return inner, found


def _look_closer(sheet: GrayPicture, speck: Proposal) -> tuple[GrayPicture, Proposal | None]:
    """What is a few pixels in the overview is looked at again from near.

    Returns:
        its neighbourhood, and the digit there, or what was given; None where it is none.
    """
    height, width = speck.digit.shape
    down, across = sheet.plane.shape[0] / height, sheet.plane.shape[1] / width
    rows, columns = bounding_box(speck.digit)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    margin = max(_CLOSER * longer, _NEAREST)
    near = sheet.plane[
        max(0, round((rows.start - margin) * down)) : round((rows.stop + margin) * down),
        max(0, round((columns.start - margin) * across)) : round((columns.stop + margin) * across),
    ]
    neighbourhood = GrayPicture(near, sheet.follows_light)
    found = find_digit(*overview(neighbourhood))
    # What is far away, alone and clear is one digit, whatever pieces it falls into from near.
    if speck.is_far_away and (
        found is None or _height(found, near) < _WHOLE * _height(speck, sheet.plane)
    ):
        return sheet, speck
    return neighbourhood, found


def _height(found: Proposal, plane: Grey) -> float:
    """Longer side of what was found, in pixels of the picture that it was found in."""
    rows, columns = bounding_box(found.digit)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    return float(longer / max(found.digit.shape) * max(plane.shape))


def crop_digit(sheet: GrayPicture, found: Proposal) -> Grey | None:
    """What the network would see if `found` is the digit; None where that leaves no ink."""
    strokes = _close_up(sheet, found)
    return None if strokes is None else _centre(_fit(strokes))


def _close_up(sheet: GrayPicture, found: Proposal) -> Plane | None:
    """Cuts the digit out of the picture at full resolution, alone, float32 in 0..1.

    What the proposal found to be the digit guides what is kept; how much ink there is, is told
    anew from the pixels near it. None where that leaves nothing.
    """
    rows, columns = bounding_box(found.digit)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    scale = _CLOSE_UP / longer
    height, width = found.digit.shape
    margin = round(_MARGIN * longer) + 2
    top, bottom = max(0, rows.start - margin), min(height, rows.stop + margin)
    left, right = max(0, columns.start - margin), min(width, columns.stop + margin)
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    across, down = sheet.plane.shape[1] / width, sheet.plane.shape[0] / height
    box = (left * across, top * down, right * across, bottom * down)
    near = GrayPicture(_resize(sheet.plane, size, box), sheet.follows_light)

    ink = near.ink(found.is_dark, min(max(5, round(found.window * scale)), max(size)))
    guide = dilate(found.digit, 5)[top:bottom, left:right].astype(np.uint8) * 255
    reach = np.asarray(Image.fromarray(guide).resize(size, Image.Resampling.BILINEAR)) > 100
    # A hair-thin stroke is a small part of what lies near it.
    values = ink[reach]
    standing_out = values[values > 0.3 * np.percentile(values, 99.5)]
    strongest = float(np.percentile(standing_out, 80)) if len(standing_out) else 0.0
    mask = ink > INK_LEVEL * strongest
    if found.clean is not None:
        mask = found.clean(mask)
    mask = mask & reach
    if not mask.any() or strongest <= 0:
        return None
    level = float(np.percentile(ink[mask], 70))
    # The soft edge of a stroke belongs to it; print that was removed beside it does not.
    strokes = np.clip((ink - 0.25 * level) / (0.6 * level), 0, 1) * reach
    strokes = strokes * dilate(mask, 9 if found.clean is None else 5)
    strokes = normalize_width(strokes.astype(np.float32), _CLOSE_UP)
    cut: Plane = strokes[bounding_box(strokes > 0.2 * strokes.max())]
    return cut


def _resize(
    plane: Grey, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Grey:
    """A part of the plane at another size: areas averaged where it shrinks."""
    width = plane.shape[1] if box is None else box[2] - box[0]
    method = Image.Resampling.BICUBIC if size[0] > width else Image.Resampling.BOX
    return np.asarray(Image.fromarray(plane).resize(size, method, box))


def _fit(digit: Plane) -> Plane:
    """Scales to the 20 x 20 box, aspect kept, averaging areas; float32 in 0..1."""
    height, width = digit.shape
    scale = _BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    fitted = np.asarray(
        Image.fromarray(digit).resize(size, Image.Resampling.HAMMING), dtype=np.float32
    )
    strokes: Plane = np.clip(fitted / fitted.max(), 0, 1)
    return strokes


def _centre(digit: Plane) -> Grey:
    """Puts the centre of mass at the centre of 28 x 28, as far as the digit stays whole."""
    height, width = digit.shape
    y, x = _centre_of_mass(digit)
    top = min(max(round(_CENTRE - y), 0), _SIDE - height)
    left = min(max(round(_CENTRE - x), 0), _SIDE - width)
    picture = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
    picture[top : top + height, left : left + width] = np.rint(digit * 255)
    return picture


def _centre_of_mass(plane: npt.NDArray[Any]) -> tuple[float, float]:
    """(y, x) in pixels, the first pixel being 0."""
    down, across = plane.sum(axis=1, dtype=np.float32), plane.sum(axis=0, dtype=np.float32)
    total = float(down.sum())
    return (
        float(down @ np.arange(len(down), dtype=np.float32)) / total,
        float(across @ np.arange(len(across), dtype=np.float32)) / total,
    )
