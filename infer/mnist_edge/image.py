"""Any picture a person has -> the picture MNIST would have made of it.

A network trained on MNIST fails on pictures made another way, so every picture is made that way
first: "the original black and white images were size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio [...] anti-aliasing [...] the images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to position this
point at the center" (LeCun, Bottou, Bengio, Haffner 1998, section III-A).

`prepare` is the only road from a picture to the network, for the command line and the API alike::

    source -> decode -> grey -> ink above paper -> pieces of the digit -> 20 x 20 box -> 28 x 28
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.decode import Grey, ImageSource, decode, describe
from mnist_edge.errors import NoDigitError
from mnist_edge.paper import Plane, ink_above_paper, otsu, slide
from mnist_edge.pieces import find_pieces

__all__ = ["PREPROCESSING_VERSION", "is_mnist_form", "prepare"]

PREPROCESSING_VERSION = "1"
"""Version of the contract between a picture and a model's input, written into every model."""

_SIDE, _BOX = 28, 20
_CENTRE = 14
"""Pixel index that the centre of mass is moved to; measured on all 70,000 images of MNIST."""

_FAINTEST_INK = 12.0
"""Grey levels between ink and paper below which there is nothing to see."""

_NOISE_FACTOR = 4.0
"""Ink must stand out from the paper's own grain by this many standard deviations."""

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
    digit = _find_digit(ink_above_paper(grey))
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


def _find_digit(ink: Plane) -> Plane | None:
    """Cuts the digit out, alone, its strokes near 1 and its paper 0; None where there is none."""
    threshold = otsu(ink)
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
    return slide(np.max, mask, 3)


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
