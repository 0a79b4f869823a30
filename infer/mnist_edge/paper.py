"""Tells ink from paper, whatever the light: which is darker, and how far each pixel stands out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Plane", "ink_above_paper", "otsu", "slide"]

Plane = npt.NDArray[np.float32]

_LIGHT_SIDE = 64
"""Longer side of the copy in which the light on the paper is measured, pixels."""

_LAMP_FITS = 4
_RIDGE = 1e-3 * np.eye(6, dtype=np.float32)
"""Keeps the fit of a picture one pixel wide solvable."""


def ink_above_paper(grey: npt.NDArray[np.uint8]) -> Plane:
    """How far each pixel stands out from the paper round it.

    Args:
        grey: uint8 ``[H, W]``, ink darker or lighter than its paper.

    Returns:
        float32 ``[H, W]`` in grey levels, 0..255, paper near 0.
    """
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
        light = level >= otsu(level)
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
    opened = slide(np.max, slide(np.min, small - lamp, window), window + 2)
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


def slide(reduce: Callable[..., Any], plane: npt.NDArray[Any], window: int) -> npt.NDArray[Any]:
    """A minimum or maximum over a square window, one axis after the other, edges repeated.

    Args:
        reduce: `numpy.min` or `numpy.max`.
        plane: ``[H, W]``.
        window: its side, odd, pixels.
    """
    for axis in (0, 1):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (window // 2, window // 2)
        padded = np.pad(plane, margin, mode="edge")
        plane = reduce(np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis), axis=-1)
    return plane


def otsu(values: Plane) -> float:
    """The threshold that separates two classes best.

    N. Otsu, "A threshold selection method from gray-level histograms" (1979).
    """
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
