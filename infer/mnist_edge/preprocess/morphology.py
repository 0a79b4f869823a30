"""Gray-scale and binary morphology with square windows: dilation, erosion, opening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["dilate", "erode", "opening"]

Array = npt.NDArray[Any]


def dilate(image: Array, window: int) -> Array:
    """Takes the maximum over a square window round every pixel.

    Args:
        image: ``[H, W]``, of any type that has an order.
        window: side of the square, pixels; an even one counts as the next odd one.

    Returns:
        ``[H, W]`` of the same type.
    """
    return _slide(np.maximum, image, window)


def erode(image: Array, window: int) -> Array:
    """Takes the minimum over a square window round every pixel; arguments as of `dilate`."""
    return _slide(np.minimum, image, window)


def opening(image: Array, window: int) -> Array:
    """Removes what is bright and narrower than `window` pixels; edges stay where they are.

    An erosion, then a dilation; arguments as of `dilate`.
    """
    return dilate(erode(image, window), window)


def _slide(extreme: Callable[..., Array], image: Array, window: int) -> Array:
    """Applies `np.minimum` or `np.maximum` over a centred window, one axis after the other.

    The image is mirrored at its border: a stroke that is cut off there looks twice as wide, not
    endless. A window of n pixels takes about log2(n) passes: each combines two shifts of the last.
    """
    for _ in range(2):
        # A wider window would see the same mirrored values again.
        half = min(window // 2, len(image))
        rows = np.concatenate([image[:half][::-1], image, image[len(image) - half :][::-1]])
        covered, wanted = 1, 2 * half + 1
        while covered < wanted:
            step = min(covered, wanted - covered)
            rows = extreme(rows[:-step], rows[step:])
            covered += step
        image = rows.T
    return image
