"""A loaded picture -> its pixels, upright and reduced, in gray or in colour.

What separates two pictures that look alike to a person and not to a program: orientation tags,
transparency, 16 bits, palettes, and size. A large picture is turned, converted and reduced tile by
tile, since none of this may take memory for all of its pixels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from mnist_edge.inputs.limits import LARGEST_METADATA, LONGER_SIDE
from mnist_edge.types import Pixels

if TYPE_CHECKING:
    from PIL import Image, ImageCms

__all__ = ["displayable", "is_sideways", "to_pixels"]

_SHORTER_SIDE = 64
"""Pixels that are kept along the shorter side of a strip at least, where there are as many."""

_LONGEST_SIDE = 8_192
"""Pixels of a strip at most, so that no side of a page of a million is searched for a digit."""

_WHOLE_AREA = 1 << 22
"""Pixels of a picture that is not worth cutting into tiles."""

_TILE_SIDE = 1_024

_ORIENTATION = 0x0112
"""Tag of EXIF: 1 to 8. From 5 on, rows and columns are exchanged."""

_FROM_RIGHT, _FROM_BELOW = frozenset((2, 3, 7, 8)), frozenset((3, 4, 6, 7))
"""Orientations of which upright pixels lie from right to left, or from below."""


def to_pixels(image: Image.Image) -> Pixels:
    """Pixels of a loaded picture.

    Args:
        image: of any mode and size. Less than 960 pixels along the longer side are kept, strips
            apart.

    Returns:
        uint8 ``[H, W]``, or ``[H, W, 3]`` RGB where it has colours.
    """
    longer, shorter = max(image.size), min(image.size)
    # Blocks of pixels are averaged; a long strip is not made thinner than a digit can stand.
    factor = min(longer // LONGER_SIDE, max(1, shorter // _SHORTER_SIDE))
    image = _upright(image, max(1, factor, -(-longer // _LONGEST_SIDE)))
    if image.mode in ("LA", "RGBA"):
        image = _fill_transparency(image.convert("RGBA"))
    elif image.mode in ("F", "I"):
        image = _stretch(image)
    elif image.mode != "L":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return pixels
    # Gray that was saved as colour is gray.
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    is_gray = np.array_equal(red, green) and np.array_equal(red, blue)
    return np.ascontiguousarray(red) if is_gray else pixels


def displayable(image: Image.Image) -> Image.Image:
    """A loaded picture as it is shown: upright, RGB or RGBA, a large one reduced."""
    is_large = image.width * image.height > _WHOLE_AREA
    image = _upright(image, max(1, max(image.size) // 1_024) if is_large else 1)
    if image.mode in ("F", "I"):
        image = _stretch(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _upright(image: Image.Image, factor: int) -> Image.Image:
    """Turns a picture by its orientation tag, and reduces it, in a mode that can be averaged."""
    from PIL.Image import new

    orientation = _orientation(image)
    size = image.size[::-1] if orientation >= 5 else image.size
    if size[0] * size[1] <= _WHOLE_AREA:
        return _reduce(_turn(image, orientation), factor)
    whole = None
    # Multiples of the factor: the same blocks are averaged as those of the whole picture.
    side = factor * max(1, _TILE_SIDE // factor)
    for top in range(0, size[1], side):
        for left in range(0, size[0], side):
            box = left, top, min(left + side, size[0]), min(top + side, size[1])
            tile = image.crop(_before_turning(box, image.size, orientation))
            tile = _reduce(_turn(tile, orientation), factor)
            if whole is None:
                whole = new(tile.mode, (-(-size[0] // factor), -(-size[1] // factor)))
            whole.paste(tile, (left // factor, top // factor))
    assert whole is not None
    return whole


def is_sideways(image: Image.Image) -> bool:
    """Whether rows and columns of a picture are exchanged when it is turned upright."""
    return _orientation(image) >= 5


def _orientation(image: Image.Image) -> int:
    """1 to 8, by EXIF or XMP; 1 where there is none, or too much of it to be read."""
    # A picture without metadata has no orientation to ask for.
    if not image.info and image.format != "TIFF":
        return 1
    exif = image.info.get("exif") or image.info.get("Raw profile type exif") or b""
    if len(exif) > LARGEST_METADATA:
        return 1
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    from PIL.Image import Transpose

    methods = (
        None,
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    method = methods[orientation - 1]
    return image if method is None else image.transpose(method)


def _before_turning(
    box: tuple[int, int, int, int], size: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where a box of the upright picture lies in the picture as it was saved."""
    left, top, right, bottom = box
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    if orientation in _FROM_RIGHT:
        left, right = size[0] - right, size[0] - left
    if orientation in _FROM_BELOW:
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


def _reduce(image: Image.Image, factor: int) -> Image.Image:
    from PIL.Image import Image as ImageClass

    image = _averageable(image)
    # Named by its class: a JPEG 2000 has a property of this name.
    return ImageClass.reduce(image, factor) if factor > 1 else image


def _averageable(image: Image.Image) -> Image.Image:
    """Converts to a mode whose pixels can be averaged: not indices, not bits."""
    mode = image.mode
    if mode in ("La", "RGBa"):  # colours multiplied by their opacity
        return image.convert("LA" if mode == "La" else "RGBA")
    if mode in ("LA", "RGBA", "F", "I"):
        return image
    if mode.startswith("I;16"):
        return image.convert("I")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if mode in ("L", "RGB", "CMYK"):
        return image
    if mode == "LAB":
        return _lab_to_rgb().apply(image)
    return image.convert("L" if mode == "1" else "RGB")


@functools.cache
def _lab_to_rgb() -> ImageCms.ImageCmsTransform:
    """Made once: a picture may have hundreds of tiles."""
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, rgb, "LAB", "RGB")


def _fill_transparency(image: Image.Image) -> Image.Image:
    """Puts a transparent drawing on the background that it must have been drawn for.

    Strokes on nothing get the opposite of their own lightness. A picture that is mostly opaque
    (rounded corners, a soft edge) has its background in it, and the holes get its typical colour.
    """
    from PIL import Image

    colours = np.asarray(image.convert("RGB"), dtype=np.float32)
    alpha = np.asarray(image.getchannel("A"), dtype=np.float32)[:, :, np.newaxis] / 255
    visible = alpha[:, :, 0] > 0.5
    if not visible.any():
        visible = alpha[:, :, 0] > 0
    if not visible.any():
        # Nothing to see: the background alone.
        return Image.new("L", image.size, 255)
    typical = np.median(colours[visible], axis=0)
    mostly_opaque = visible.mean() > 0.7
    lightness = float(np.asarray(image.convert("L"))[visible].mean())
    background = typical if mostly_opaque else (255.0 if lightness < 128 else 0.0)
    filled = np.rint(colours * alpha + background * (1 - alpha)).astype(np.uint8)
    return Image.fromarray(filled)


def _stretch(image: Image.Image) -> Image.Image:
    """Maps pixels of more than 8 bits to 0..255, from the range that is used."""
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    levels = np.clip(np.nan_to_num(values, nan=low) - low, 0, high - low) * scale
    return Image.fromarray(np.rint(levels).astype(np.uint8))
