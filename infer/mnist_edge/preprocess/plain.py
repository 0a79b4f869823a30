"""MNIST's own rule, for a picture that shows a digit and nothing else.

No background is searched, no stroke is made thinner, no line removed: that is what `normalize` is
for. This is what ports to places without numpy and Pillow are compared with.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnist_edge.types import BOX, CENTER, SIDE, GrayImage

__all__ = ["fit_digit", "otsu_level"]

Floats = npt.NDArray[np.float64]


def fit_digit(picture: GrayImage) -> GrayImage | None:
    """Fits a digit into 20 x 20, and puts its centre of mass at the centre of 28 x 28.

    Otsu's threshold parts ink from paper; paper is what most of the border is. Levels between the
    mean of the paper and that of the ink become 0..255. The ink's bounding box is reduced by
    averaging areas (LeCun, Bottou, Bengio, Haffner 1998, section III-A).

    Args:
        picture: uint8 ``[H, W]``, dark ink on light paper or light on dark.

    Returns:
        uint8 ``[28, 28]``, 0 = background, 255 = ink; None where all pixels are alike.
    """
    threshold = otsu_level(picture)
    if threshold is None:
        return None
    is_light = picture > threshold
    border = np.concatenate([is_light[0], is_light[-1], is_light[:, 0], is_light[:, -1]])
    is_ink = ~is_light if 2 * border.sum() >= len(border) else is_light
    paper, ink = picture[~is_ink].mean(), picture[is_ink].mean()
    rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    strokes = np.clip((picture[box] - paper) / (ink - paper), 0, 1)

    longest = max(strokes.shape)
    height, width = (max(1, int(BOX * side / longest + 0.5)) for side in strokes.shape)
    digit = _areas(strokes.shape[0], height) @ strokes @ _areas(strokes.shape[1], width).T
    digit /= digit.max()
    total = digit.sum()
    top = _start(digit.sum(axis=1) @ np.arange(height) / total, height)
    left = _start(digit.sum(axis=0) @ np.arange(width) / total, width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = np.floor(digit * 255 + 0.5)
    return image


def otsu_level(picture: GrayImage) -> int | None:
    """The level up to which pixels are dark, by Otsu (1979); None where all are alike.

    Exact for 256 levels, as a port computes it; `background.otsu` is for levels between integers.

    Args:
        picture: uint8 ``[H, W]``.
    """
    counts = np.bincount(picture.ravel(), minlength=256).astype(np.float64)
    dark = counts.cumsum()
    light = dark[-1] - dark
    dark_sum = (counts * np.arange(256)).cumsum()
    light_sum = dark_sum[-1] - dark_sum
    both = (dark > 0) & (light > 0)
    if not both.any():
        return None
    apart = dark_sum / np.maximum(dark, 1) - light_sum / np.maximum(light, 1)
    return int(np.where(both, dark * light * apart**2, -1).argmax())


def _areas(size: int, target: int) -> Floats:
    """Weights ``[target, size]`` that average the pixels under each pixel of the target."""
    edges = np.arange(target + 1) * (size / target)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = np.clip(covered, 0, None) / (size / target)
    return weights


def _start(center: float, size: int) -> int:
    """Where a digit begins whose centre of mass is to lie at the centre, as far as it fits."""
    return min(max(int(np.floor(CENTER - center + 0.5)), 0), SIDE - size)
