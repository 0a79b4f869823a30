"""Any picture a person has -> the picture MNIST would have made of it.

A network trained on MNIST fails on pictures made another way, so every picture is made that way
first: "the original black and white images were size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio [...] anti-aliasing [...] the images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to position this
point at the center" (LeCun, Bottou, Bengio, Haffner 1998, section III-A).

`prepare` is the only road from a picture to the network, for the command line, the API, the
benchmark and the trainer alike::

    source -> decode -> grey -> ink above paper -> pieces of the digit -> 20 x 20 box -> 28 x 28
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.decode import Grey, ImageSource, decode, describe
from mnist_edge.errors import NoDigitError
from mnist_edge.pieces import find_pieces

__all__ = ["PREPROCESSING_VERSION", "is_mnist_form", "prepare"]

PREPROCESSING_VERSION = "1"
"""Version of the contract between a picture and a model's input, written into every model."""

_SIDE, _BOX = 28, 20
_CENTRE = 14
"""Pixel index that the centre of mass is moved to; measured on all 70,000 images of MNIST."""

_LIGHT_SIDE = 64
"""Longer side of the copy in which the light on the paper is measured, pixels."""

_LAMP_FITS = 4
_RIDGE = 1e-3 * np.eye(6, dtype=np.float32)
"""Keeps the fit of a picture one pixel wide solvable."""

_FAINTEST_INK = 12.0
"""Grey levels between ink and paper below which there is nothing to see."""

_NOISE_FACTOR = 4.0
"""Ink must stand out from the paper's own grain by this many standard deviations."""

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def prepare(source: ImageSource) -> Grey:
    """Makes MNIST's picture out of any other.

    A picture already in MNIST form comes back bit for bit, and its negative as its negative.

    Args:
        source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).

    Returns:
        uint8 ``[28, 28]``, 0 = background, 255 = ink.

    Raises:
        ImageReadError: it cannot be opened or decoded.
        NoDigitError: nothing in it stands out from the background.
    """
    grey = decode(source)
    if is_mnist_form(grey):
        return grey
    if is_mnist_form(255 - grey):
        return 255 - grey
    digit = _find_digit(_ink_above_paper(grey))
    if digit is None:
        raise NoDigitError(
            f"{describe(source) or 'image'}: no digit found; nothing stands out from the background"
        )
    return _centre(_fit(digit))


def is_mnist_form(grey: Grey) -> bool:
    """Whether a picture was made as MNIST's were.

    Every one of the 70,000 has an exactly black background, a longer side of 19 or 20 pixels, and
    its centre of mass within half a pixel of pixel 14.
    """
    if grey.shape != (_SIDE, _SIDE) or not grey.any():
        return False
    rows, columns = _extent(grey > 0)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    y, x = _centre_of_mass(grey.astype(np.float32))
    return longer in (19, 20) and abs(y - _CENTRE) < 0.52 and abs(x - _CENTRE) < 0.52


def _ink_above_paper(grey: Grey) -> Plane:
    """How far each pixel stands out from the paper round it, in grey levels, paper = 0."""
    plane = grey.astype(np.float32)
    if _ink_is_dark(plane):
        plane = 255 - plane
    ink: Plane = np.maximum(plane - _paper(plane), 0)
    return ink


def _ink_is_dark(plane: Plane) -> bool:
    """Whether the paper is lighter than what is on it.

    Paper is what most of the picture, and most of its edge, is made of. Both are asked of the
    picture as it is, which a digit that fills it needs, and without its slow changes of light,
    which a photograph needs; the four answers are averaged.
    """
    votes: list[float] = []
    small = _small(plane)
    for level in (small, small - _lamp(small)):
        light = level >= _otsu(level)
        edge = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
        votes += [float(edge.mean()), float(light.mean())]
    return sum(votes) / len(votes) > 0.5


def _paper(plane: Plane) -> Plane:
    """The level of the paper under every pixel, ink being higher.

    What a lamp does is fitted and taken away. What is left is opened (the lowest value near, then
    the highest of those), which removes what is narrower than its window, as strokes are, and
    keeps the border of a shadow where it is.
    """
    small = _small(plane)
    lamp = _lamp(small)
    # Half the picture is wider than any stroke, even of a digit that fills it.
    window = max(3, max(small.shape) // 2 | 1)
    opened = _slide(np.max, _slide(np.min, small - lamp, window), window + 2)
    height, width = plane.shape
    paper = Image.fromarray(opened + lamp).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(paper, dtype=np.float32)


def _small(plane: Plane) -> Plane:
    """A copy large enough to tell paper from ink, and small enough to do it fast."""
    height, width = plane.shape
    scale = min(1.0, _LIGHT_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX))


def _lamp(plane: Plane) -> Plane:
    """The light on the paper: a quadratic surface where there is a lamp, a vignette, a slanted
    page; else one level.

    Pixels far off the surface are ink; they are left out and the rest is fitted again. A digit
    that fills the picture can be followed by a surface too: it counts as light only where it
    explains most of the picture far better than one level does.
    """
    y, x = (
        axis.astype(np.float32).ravel()
        for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in plane.shape), indexing="ij")
    )
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    values = plane.ravel()
    level = float(np.median(values))
    flat = float(np.median(np.abs(values - level)))
    weights = np.ones(len(values), dtype=np.float32)
    for _ in range(_LAMP_FITS):
        # The normal equations: six unknowns, whatever the number of pixels.
        weighted = terms * weights[:, np.newaxis]
        surface = terms @ np.linalg.solve(weighted.T @ terms + _RIDGE, weighted.T @ values)
        residual = np.abs(values - surface)
        typical = float(np.median(residual))
        weights = (residual <= 2 * typical + 1).astype(np.float32)
    if typical + 1 > (flat + 1) / 2:
        return np.full(plane.shape, level, dtype=np.float32)
    lamp: Plane = surface.reshape(plane.shape).astype(np.float32)
    return lamp


def _slide(reduce: Callable[..., Any], plane: npt.NDArray[Any], window: int) -> npt.NDArray[Any]:
    """A minimum or maximum over a square window, one axis after the other, edges repeated."""
    for axis in (0, 1):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (window // 2, window // 2)
        padded = np.pad(plane, margin, mode="edge")
        plane = reduce(np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis), axis=-1)
    return plane


def _otsu(values: Plane) -> float:
    """The threshold that separates two classes best (Otsu 1979)."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
        separation = np.nan_to_num(below * above * apart**2)
    return float(edges[int(separation.argmax()) + 1])


def _find_digit(ink: Plane) -> Plane | None:
    """Cuts the digit out, alone, its strokes near 1 and its paper 0; None where there is none."""
    threshold = _otsu(ink)
    mask = ink > threshold
    if not mask.any() or mask.all():
        return None
    paper = ink[~mask]
    stands_out = float(ink[mask].mean() - paper.mean())
    if stands_out < max(_FAINTEST_INK, _NOISE_FACTOR * _spread(paper)):
        return None
    pieces = find_pieces(mask)
    level = float(np.percentile(ink[pieces], 75))
    strength = np.clip((ink - threshold / 2) / (level - threshold / 2), 0, 1) * _widen(pieces)
    digit: Plane = strength[_extent(pieces)]
    return digit


def _spread(values: Plane) -> float:
    """Standard deviation of the grain, from the median deviation, which strokes do not move."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _widen(mask: Mask) -> Mask:
    """One pixel more on every side: the soft edge of a stroke belongs to it."""
    return _slide(np.max, mask, 3)


def _fit(digit: Plane) -> Plane:
    """Scales to the 20 x 20 box, aspect kept, averaging areas; float32 in 0..1."""
    height, width = digit.shape
    scale = _BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.HAMMING
    fitted = np.asarray(Image.fromarray(digit).resize(size, method), dtype=np.float32)
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


def _centre_of_mass(plane: Plane) -> tuple[float, float]:
    """(y, x) in pixels, the first pixel being 0."""
    total = float(plane.sum())
    rows, columns = (np.arange(n, dtype=np.float32) for n in plane.shape)
    return float(plane.sum(axis=1) @ rows) / total, float(plane.sum(axis=0) @ columns) / total


def _extent(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that holds the mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
