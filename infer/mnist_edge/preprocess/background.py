"""Background subtraction: how far each pixel stands out from its paper, in any colour and light."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mnist_edge.preprocess.morphology import opening
from mnist_edge.types import FloatImage, GrayImage, Pixels

__all__ = [
    "DrawnLevels",
    "GrayPlane",
    "PolarityVotes",
    "drawn_levels",
    "fit_illumination",
    "noise_sigma",
    "otsu",
    "polarity_votes",
    "to_gray",
]

_SMALL_SIDE = 64
"""Longer side of the copy in which questions about the whole picture are asked, pixels."""

_DARK_INK_FLOOR = 40.0
"""Gray levels added to light paper's before its level is taken for the light on it."""

_LIGHT_INK_FLOOR = 160.0
"""Gray levels added to dark paper's. More, since it says little about the light: light ink is
corrected less."""

_FLAT, _TOLERANCE = 0.75, 0.25
"""Part of the pixels of flat paper that have its level; that a sample may have fewer by."""

_SAMPLED = 7
"""Of so many rows and columns, one is looked at first."""

_ILLUMINATION_FITS = 4
"""Least-squares fits of the illumination; ink is left out of each but the first."""

_RIDGE = 1e-3 * np.eye(6)
"""Keeps the fit of a picture that is one pixel wide solvable."""

# Processors add and multiply in orders of their own, and so differ in the last bit. What they give
# is rounded, far more coarsely than that and far more finely than it matters, wherever it decides
# between two things: then all see the same picture.

_MIXTURE_STEPS = 1_024
"""Parts of red, green and blue in gray are multiples of 1 / this: their products are exact."""

_LIGHT_STEPS = 64
"""Steps of a gray level that the illumination is rounded to."""

_BOX_STEPS = 1_024
"""Steps of a pixel that areas begin and end at, so that no pixel lies in two or in none."""


@dataclass(frozen=True)
class GrayPlane:
    """A picture reduced to one plane of gray.

    Attributes:
        pixels: uint8 ``[H, W]``, along the direction in RGB in which ink and paper differ most.
        scales_with_light: a shadow scales the plane. So it does for every mixture of positive
            parts of red, green and blue, and not for their differences.
    """

    pixels: GrayImage
    scales_with_light: bool

    def resize(
        self, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
    ) -> GrayPlane:
        """Resizes the plane, or a part of it; areas are averaged where it shrinks.

        Args:
            size: width and height, pixels.
            box: left, top, right and bottom of the part, pixels; None = all of it.
        """
        height, width = self.pixels.shape
        left, top, right, bottom = (0, 0, width, height) if box is None else box
        method = Image.Resampling.BICUBIC
        if size[0] <= right - left:
            method = Image.Resampling.BOX
            left, right = _in_steps(left, right, size[0])
            top, bottom = _in_steps(top, bottom, size[1])
        image = Image.fromarray(self.pixels)
        resized = np.asarray(image.resize(size, method, (left, top, right, bottom)))
        return GrayPlane(resized, self.scales_with_light)

    def top_hat(self, is_dark: bool, window: int) -> FloatImage:
        """Subtracts the background, and corrects what is left for the light on it.

        The background is the opening of the plane: what stays when all that is narrower than
        `window` is removed. It keeps the border of a shadow where it is. Ink in a shadow stands
        out less, in proportion to the light that is left; it is scaled to the median light.

        Args:
            is_dark: the ink is darker than its paper.
            window: pixels, odd or rounded up, wider than any stroke.

        Returns:
            float32 ``[H, W]`` in gray levels: paper near 0, ink above.
        """
        plane = 255 - self.pixels if is_dark else self.pixels
        background = opening(plane, window)
        ink = (plane - background).astype(np.float32)
        if self.scales_with_light:
            # A table of all levels: there are fewer levels than pixels.
            levels = np.arange(256, dtype=np.float32)
            light = 255 + _DARK_INK_FLOOR - levels if is_dark else levels + _LIGHT_INK_FLOOR
            ink *= (light[_median_level(background)] / light)[background]
        return ink


def _in_steps(start: float, end: float, parts: int) -> tuple[float, float]:
    """Rounds a length down, so that each of its equal parts begins and ends at a step."""
    first = math.floor(start * _BOX_STEPS)
    steps = math.floor((end - start) * _BOX_STEPS / parts)
    return first / _BOX_STEPS, (first + steps * parts) / _BOX_STEPS


def to_gray(picture: Pixels) -> GrayPlane:
    """Projects colours onto the direction in which ink and paper lie farthest apart.

    The direction is the first principal component of the local contrast: of a small copy of the
    picture without its slow changes, which are light. What is lighter stays lighter, unless ink
    and paper differ in colour alone.

    Args:
        picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB.
    """
    if picture.ndim == 2:
        return GrayPlane(picture, scales_with_light=True)
    image = Image.fromarray(picture)
    small = image.reduce(max(1, max(image.size) // _SMALL_SIDE))
    smooth = small.filter(ImageFilter.BoxBlur(max(small.size) / 6))
    contrast = (np.asarray(small, np.float64) - np.asarray(smooth, np.float64)).reshape(-1, 3)
    direction: npt.NDArray[np.float64] = np.linalg.eigh(contrast.T @ contrast)[1][:, -1]
    direction *= (1 if direction.sum() >= 0 else -1) / np.abs(direction).sum()
    # A little of the opposite sign is noise.
    scales_with_light = bool(direction.min() > -0.05)
    if scales_with_light:
        direction = np.maximum(direction, 0)
        direction /= direction.sum()
    direction = np.rint(direction * _MIXTURE_STEPS) / _MIXTURE_STEPS
    if scales_with_light:
        direction[direction.argmax()] += 1 - direction.sum()
    lift = -255 * float(direction[direction < 0].sum())
    mixture = (*(float(part) for part in direction), lift)
    return GrayPlane(np.asarray(image.convert("L", mixture)), scales_with_light)


class DrawnLevels(NamedTuple):
    """Whether a picture has the gray levels of what a program has drawn.

    Attributes:
        paper: the level of three pixels in four, exactly; None = there is none.
        are_two: there are two levels.
    """

    paper: int | None
    are_two: bool


def drawn_levels(plane: GrayImage) -> DrawnLevels:
    """Counts the gray levels.

    Args:
        plane: uint8 ``[H, W]``.
    """
    # Photographs have neither; a few of their pixels show it, and the others are not counted.
    for step in (_SAMPLED, 1):
        part = plane[::step, ::step]
        counts = np.bincount(part.ravel(), minlength=256)
        level, is_two = int(counts.argmax()), np.count_nonzero(counts) <= 2
        share = counts[level] / part.size
        if share < (_FLAT if step == 1 else _FLAT - _TOLERANCE) and not is_two:
            return DrawnLevels(None, False)
    return DrawnLevels(level if share >= _FLAT else None, np.count_nonzero(counts) == 2)


def noise_sigma(plane: GrayImage) -> float:
    """Estimates the standard deviation of the noise, gray levels.

    Neighbouring pixels of one surface differ by noise alone, and most neighbours are of one. The
    difference of two normal variables has sqrt(2) times their deviation, and half of its absolute
    values are below 0.6745 of its own: the median is 0.954 standard deviations.
    """
    left, right = plane[:, :-1], plane[:, 1:]
    steps = np.maximum(left, right) - np.minimum(left, right)
    return _median_level(steps) / 0.954 if steps.size else 0.0


def _median_level(levels: GrayImage) -> int:
    """Finds the median of bytes by counting them; the upper one where there are two."""
    counts = np.cumsum(np.bincount(levels.ravel(), minlength=256))
    return int(np.searchsorted(counts, counts[-1] // 2, side="right"))


class PolarityVotes(NamedTuple):
    """Four votes on the polarity: 1 = the paper is lighter than the ink, -1 = it is darker.

    Paper is what most of the picture, and most of its edge, is made of. Both are asked of the
    picture as it is, which a digit that fills it needs, and of the picture without its
    illumination, which a photograph needs.
    """

    edge: float
    area: float
    evenly_lit_edge: float
    evenly_lit_area: float


def polarity_votes(plane: GrayImage) -> PolarityVotes:
    """Votes on whether the paper is lighter than what is on it.

    Args:
        plane: uint8 ``[H, W]``.
    """
    image = Image.fromarray(plane)
    small = np.asarray(image.reduce(max(1, max(image.size) // _SMALL_SIDE)), np.float32)
    votes: list[float] = []
    for levels in (small, small - fit_illumination(small)):
        is_light = levels >= otsu(levels)
        edge = np.concatenate([is_light[0], is_light[-1], is_light[:, 0], is_light[:, -1]])
        votes += [2 * float(edge.mean()) - 1, 2 * float(is_light.mean()) - 1]
    return PolarityVotes(*votes)


def fit_illumination(plane: FloatImage) -> FloatImage:
    """Fits the light on the paper: a quadratic surface, or one level where that explains as much.

    The surface stands for a lamp, a vignette, a slanted page. Pixels far off it are ink; they are
    left out and the rest is fitted again. A surface can follow a digit that fills the picture too:
    it counts as light only where it explains most of the picture far better than one level does.

    Args:
        plane: float32 ``[H, W]``, gray levels.

    Returns:
        float32 ``[H, W]``, gray levels.
    """
    terms = _quadratic_terms(plane.shape)
    values = plane.ravel()
    middle = values.size // 2  # of sorted values: the median, the upper one where there are two
    level = float(np.partition(values, middle)[middle])
    deviation_from_level = float(np.partition(np.abs(values - level), middle)[middle])
    weights = np.ones(len(values))
    for _ in range(_ILLUMINATION_FITS):
        # The normal equations: six unknowns, whatever the number of pixels.
        weighted = terms * weights[:, np.newaxis]
        fitted = terms @ np.linalg.solve(weighted.T @ terms + _RIDGE, weighted.T @ values)
        surface = (np.rint(fitted * _LIGHT_STEPS) / _LIGHT_STEPS).astype(np.float32)
        residual = np.abs(values - surface)
        deviation = float(np.partition(residual, middle)[middle])
        weights = (residual <= 2 * deviation + 1).astype(np.float64)
    if deviation + 1 > (deviation_from_level + 1) / 2:
        return np.full(plane.shape, level, dtype=np.float32)
    illumination: FloatImage = surface.reshape(plane.shape)
    return illumination


@functools.lru_cache(maxsize=16)
def _quadratic_terms(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The terms of a quadratic surface at every pixel: float64 ``[H * W, 6]``."""
    y, x = (
        axis.ravel() for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    )
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)


def otsu(values: FloatImage) -> float:
    """Finds the threshold that separates two classes best.

    N. Otsu, "A threshold selection method from gray-level histograms" (1979).

    Args:
        values: float32, of any shape.

    Returns:
        the least value of the upper class.
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = _histogram(values.ravel(), low, high)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums / below - (sums[-1] - sums) / above
        separation = np.nan_to_num(below * above * distance**2)
    return float(edges[int(separation.argmax()) + 1])


def _histogram(
    values: FloatImage, low: float, high: float
) -> tuple[npt.NDArray[np.int64], FloatImage]:
    """Counts values in 256 bins, as `np.histogram` does for fewer than 65,536 values.

    Args:
        values: float32 ``[N]``.
        low: their minimum.
        high: their maximum, above `low`.

    Returns:
        the counts int64 ``[256]``, and the edges of the bins float32 ``[257]``.
    """
    edges = np.linspace(low, high, 257, dtype=np.float32)
    bins = ((values - np.float32(low)) / np.float32(high - low) * 256).astype(np.int64)
    np.minimum(bins, 255, out=bins)
    # Rounding may have put a value on the wrong side of an edge; the last bin holds its upper one.
    bins -= values < edges[bins]
    bins += (values >= edges[bins + 1]) & (bins < 255)
    return np.bincount(bins, minlength=256), edges
