"""Normalizes a picture: finds its digit, crops it, and scales and centres it as MNIST's digits are.

::

    gray plane -> proposal -> close-up of the strokes -> 20 x 20 box -> 28 x 28
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mnist_edge.preprocess.background import GrayPlane, to_gray
from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import bounding_box
from mnist_edge.preprocess.neighbors import DigitRow, row_of_digits
from mnist_edge.preprocess.order_statistics import percentile
from mnist_edge.preprocess.proposals import INK_LEVEL, Proposal, find_digit
from mnist_edge.preprocess.rim import without_rim
from mnist_edge.preprocess.strokes import normalize_width
from mnist_edge.types import BOX, CENTER, SIDE, FloatImage, GrayImage, Pixels

__all__ = ["close_up", "crop_digit", "normalize", "normalize_and_look_round"]

_CLOSE_UP = 80
"""Longer side of the digit in its close-up, pixels: four for each of the network's."""


_MASS_STEPS = 2**20
"""Steps of full ink in which the centre of mass is computed."""


@dataclass(frozen=True)
class _Limits:
    """Thresholds and margins of cropping."""

    page_border: float = 0.03
    """Cut off each side of a page on a desk, whose border is no line on it; fraction of the page's
    longer side."""

    zoom_margin: float = 2.0
    """Paper round a small digit that is searched for again from near, which may be only a part of
    the digit; fraction of its longer side."""

    least_zoom_margin: int = 8
    """Least paper round it, pixels of the overview."""

    least_of_far_away: float = 0.6
    """A digit far away is at least this part as large from near as it was from far."""

    margin: float = 0.25
    """Paper round the digit in its close-up, fraction of the digit's longer side."""

    near_digit: int = 100
    """Level, of 255, from which the enlarged mask of a proposal counts as near the digit."""

    ink_near_digit: float = 0.3
    """Pixels near the digit that stand out by less than this part of what the strongest do are
    left out when the strength of the ink is measured: a hair-thin stroke is a small part of what
    lies near it."""

    no_ink: float = 0.25
    """Part of the ink's level that becomes 0: the soft edge of a stroke belongs to it."""

    ink_range: float = 0.6
    """Part of the ink's level between what becomes 0 and what becomes 1."""

    soft_edge: int = 9
    """Window of the dilation that the strokes are kept in, pixels of the close-up."""

    soft_edge_beside_print: int = 5
    """Smaller where printed lines were removed, of which nothing may stay beside a stroke."""

    cut: float = 0.2
    """The close-up is cut to what is above this part of its maximum."""


_LIMITS = _Limits()


def normalize(picture: Pixels) -> GrayImage | None:
    """Makes MNIST's image of the digit in a picture.

    Args:
        picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB.

    Returns:
        uint8 ``[28, 28]``, 0 = background, 255 = ink; None where there is no digit.
    """
    return normalize_and_look_round(picture)[0]


def normalize_and_look_round(picture: Pixels) -> tuple[GrayImage | None, DigitRow | None]:
    """`normalize`, and where there may be a row of digits; None = there is one at most."""
    plane = without_rim(to_gray(picture))
    proposal = find_digit(plane)
    if proposal is not None and proposal.is_small:
        plane, proposal = _look_closer(plane, proposal)
    elif proposal is not None and proposal.is_block and not proposal.is_dark:
        plane, proposal = _look_inside(plane, proposal)
    if proposal is None:
        return None, None
    return crop_digit(plane, proposal), row_of_digits(plane, proposal)


def _look_inside(plane: GrayPlane, page: Proposal) -> tuple[GrayPlane, Proposal]:
    """Searches for the digit on what may be a page on a darker desk.

    Returns:
        the page alone and the digit on it; what was given where there is none on it.
    """
    inside = _surroundings(plane, page, -_LIMITS.page_border * page.size)
    if min(inside.pixels.shape) < SIDE:
        return plane, page
    digit = find_digit(inside)
    if digit is None or not digit.is_dark or digit.is_block or not digit.is_likely:
        return plane, page
    return inside, digit


def _look_closer(plane: GrayPlane, small: Proposal) -> tuple[GrayPlane, Proposal | None]:
    """Searches again, in more detail, for what is a few pixels on the overview.

    Returns:
        the surroundings and the digit in them, or None; what was given where it is far away, and
        from near less of it is left.
    """
    margin = max(_LIMITS.zoom_margin * small.size, _LIMITS.least_zoom_margin)
    near = _surroundings(plane, small, margin)
    digit = find_digit(near)
    # What is far away, alone and clear is one digit, even if it falls into pieces from near.
    if small.is_far_away and (
        digit is None or _size_in(near, digit) < _LIMITS.least_of_far_away * _size_in(plane, small)
    ):
        return plane, small
    return near, digit


def _surroundings(plane: GrayPlane, proposal: Proposal, margin: float) -> GrayPlane:
    """Cuts out a proposal's box with a margin, in pixels of the overview; it may be negative."""
    height, width = proposal.digit.shape
    down, across = plane.pixels.shape[0] / height, plane.pixels.shape[1] / width
    box = proposal.box
    part = plane.pixels[
        max(0, round((box.top - margin) * down)) : round((box.bottom + margin) * down),
        max(0, round((box.left - margin) * across)) : round((box.right + margin) * across),
    ]
    return GrayPlane(part, plane.scales_with_light)


def _size_in(plane: GrayPlane, proposal: Proposal) -> float:
    """Converts the size of a proposal to pixels of the plane that it was found in."""
    return float(proposal.size / max(proposal.digit.shape) * max(plane.pixels.shape))


def crop_digit(plane: GrayPlane, proposal: Proposal) -> GrayImage | None:
    """Crops a proposal from a picture, and normalizes it as MNIST's digits were.

    Fits it into a 20 x 20 box, aspect kept, areas averaged; then puts the centre of mass at the
    centre of 28 x 28, as far as the digit stays whole.

    Args:
        plane: the picture that the proposal was found in, at full size.
        proposal: what to crop.

    Returns:
        uint8 ``[28, 28]``, 0 = background, 255 = ink; None where there is no ink.
    """
    strokes = close_up(plane, proposal)
    if strokes is None:
        return None
    height, width = strokes.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = Image.fromarray(strokes).resize(size, Image.Resampling.HAMMING)
    levels: FloatImage = np.asarray(resized, dtype=np.float32)
    digit = np.clip(levels / levels.max(), 0, 1)

    height, width = digit.shape
    # Whole numbers, whose sums do not depend on the order: where they tie, they tie everywhere.
    masses = np.rint(digit * _MASS_STEPS).astype(np.int64)
    top = _start(masses.sum(axis=1).tolist())
    left = _start(masses.sum(axis=0).tolist())
    image = np.zeros((SIDE, SIDE), dtype=np.uint8)
    image[top : top + height, left : left + width] = np.rint(digit * 255)
    return image


def _start(masses: list[int]) -> int:
    """Where a digit begins whose centre of mass lies at the centre, as far as it stays whole."""
    center = sum(place * mass for place, mass in enumerate(masses)) / sum(masses)
    return min(max(round(CENTER - center), 0), SIDE - len(masses))


def close_up(plane: GrayPlane, proposal: Proposal) -> FloatImage | None:
    """Cuts the strokes of a proposal out of its picture, in full detail.

    The proposal says which strokes belong to the digit. How much ink they have is measured again,
    on the pixels near it. Last, their width is brought near that of MNIST's.

    Args:
        plane: the picture that the proposal was found in, at full size.
        proposal: what to cut out.

    Returns:
        float32 in 0..1, about 80 pixels along the longer side; None where there is no ink.
    """
    scale = _CLOSE_UP / proposal.size
    height, width = proposal.digit.shape
    margin = round(_LIMITS.margin * proposal.size) + 2
    box = proposal.box
    top, bottom = max(0, box.top - margin), min(height, box.bottom + margin)
    left, right = max(0, box.left - margin), min(width, box.right + margin)
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    across, down = plane.pixels.shape[1] / width, plane.pixels.shape[0] / height
    near = plane.resize(size, (left * across, top * down, right * across, bottom * down))

    window = min(max(5, round(proposal.window * scale)), max(size))
    ink = near.top_hat(proposal.is_dark, window)
    digit = BitMask.of(proposal.digit).dilate(2).unpack()
    guide = digit[top:bottom, left:right].astype(np.uint8) * 255
    reach = (
        np.asarray(Image.fromarray(guide).resize(size, Image.Resampling.BILINEAR))
        > _LIMITS.near_digit
    )
    values = ink[reach]
    standing_out = values[values > _LIMITS.ink_near_digit * percentile(values, 99.5)]
    strongest = percentile(standing_out, 80) if len(standing_out) else 0.0
    mask = ink > INK_LEVEL * strongest
    if proposal.remove_print is not None:
        mask = proposal.remove_print(mask)
    mask = mask & reach
    if not mask.any() or strongest <= 0:
        return None
    level = percentile(ink[mask], 70)
    strokes = np.clip((ink - _LIMITS.no_ink * level) / (_LIMITS.ink_range * level), 0, 1) * reach
    has_print = proposal.remove_print is not None
    soft_edge = _LIMITS.soft_edge_beside_print if has_print else _LIMITS.soft_edge
    strokes = strokes * BitMask.of(mask).dilate(soft_edge // 2).unpack()
    strokes = normalize_width(strokes.astype(np.float32), _CLOSE_UP)
    box = bounding_box(strokes > _LIMITS.cut * strokes.max())
    return strokes[box.top : box.bottom, box.left : box.right]
