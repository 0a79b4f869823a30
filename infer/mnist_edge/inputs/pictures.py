"""Whatever Pillow opens -> its pixels, upright, in grey or in colour.

What is added here is what separates two pictures that look alike to a person and not to a program:
orientation tags, transparency, 16 bits, palettes, animations, and size, in bytes and in pixels.
"""

from __future__ import annotations

import functools
import importlib
import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.decode import LONGER_SIDE, Pixels

__all__ = ["Opened", "pixels_of"]

Opened = bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.generic]
"""An encoded file, or a picture that is in memory already."""

_SHORTER_SIDE = 64
"""Pixels that are kept along the shorter side of a strip at least, where there are as many."""

_LARGEST_AREA = 80_000_000
"""Pixels that a picture may have at most; what claims more is taken for a decompression bomb."""


def pixels_of(content: Opened, name: str) -> Pixels:
    """Opens a picture and reduces its size (see `mnist_edge.inputs.decode.decode`).

    Raises:
        ImageReadError: it is not of a kind that is read.
        Exception: whatever Pillow raises, which documents no closed list.
    """
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and large sizes; the size has a limit of its own.
        warnings.simplefilter("ignore")
        with _open(content, name) as image:
            return _to_pixels(image, name)


def _open(content: Opened, name: str) -> Image.Image:
    if isinstance(content, Image.Image):
        return content.copy()
    if isinstance(content, np.ndarray):
        return Image.fromarray(_eight_bit(content, name))
    if not content:
        raise ImageReadError(f"{name}: the file is empty")
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        if not _register_heif():
            raise
        return Image.open(io.BytesIO(content))


@functools.cache
def _register_heif() -> bool:
    """Teaches Pillow HEIC, where the package `pillow-heif` is installed: it waits to be asked."""
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return False
    plugin.register_heif_opener()
    return True


def _eight_bit(array: npt.NDArray[np.generic], name: str) -> Pixels:
    """An array of any supported kind as uint8 that `Image.fromarray` takes."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if (
        array.size == 0
        or array.ndim not in (2, 3)
        or (array.ndim == 3 and array.shape[2] not in (3, 4))
    ):
        raise ImageReadError(
            f"{name}: an array of shape {list(array.shape)} is no picture; "
            "use [H, W], [H, W, 3] or [H, W, 4]"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        values = array.astype(np.float32)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ImageReadError(f"{name}: float pixels must lie in 0..1")
        return np.rint(values * 255).astype(np.uint8)
    raise ImageReadError(f"{name}: pixels of type {array.dtype}; use uint8, or floats in 0..1")


def _to_pixels(image: Image.Image, name: str) -> Pixels:
    if image.width * image.height > _LARGEST_AREA:
        raise ImageReadError(
            f"{name}: {image.width} x {image.height} pixels is more than is safe to decode; "
            "scale it down first"
        )
    if 0 in image.size:
        raise ImageReadError(f"{name}: a picture without pixels")
    # JPEG alone can skip most of the work: it decodes at 1/2, 1/4 or 1/8 of its size.
    image.draft(None, (LONGER_SIDE, LONGER_SIDE))
    image.load()
    # Where nothing was said of the picture, nothing was said of its orientation.
    upright = ImageOps.exif_transpose(image) if image.info or image.format == "TIFF" else image
    # Reduced before it is reckoned with: a plane of floats of 80 megapixels is 320 MB.
    return _without_false_colour(np.asarray(_eight_bit_image(_shrink(_averageable(upright)))))


def _averageable(image: Image.Image) -> Image.Image:
    """In a mode of which pixels can be averaged: not indices, not bits."""
    if image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data:
        return image
    if image.mode in ("LA", "RGBA", "F", "I"):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I;16"):
        return image.convert("I")
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bit_image(image: Image.Image) -> Image.Image:
    """Mode L or RGB."""
    if image.mode in ("LA", "RGBA"):
        return _fill_transparency(image.convert("RGBA"))
    if image.mode in ("F", "I"):
        return _stretch(image)
    return image if image.mode == "L" else image.convert("RGB")


def _without_false_colour(pixels: Pixels) -> Pixels:
    """Grey that was saved as colour is grey."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    is_grey = np.array_equal(red, green) and np.array_equal(red, blue)
    return np.ascontiguousarray(red) if is_grey else pixels


def _fill_transparency(image: Image.Image) -> Image.Image:
    """Puts what is drawn on the paper it must have been drawn for.

    Strokes on nothing get the opposite of their own lightness. A picture that is mostly opaque
    (rounded corners, a soft edge) has its paper in it, and the holes get its typical lightness.
    """
    colours = np.asarray(image.convert("RGB"), dtype=np.float32)
    alpha = np.asarray(image.getchannel("A"), dtype=np.float32)[:, :, np.newaxis] / 255
    visible = alpha[:, :, 0] > 0.5
    if not visible.any():
        visible = alpha[:, :, 0] > 0
    if not visible.any():
        # Nothing to see: the paper alone.
        return Image.new("L", image.size, 255)
    typical = np.median(colours[visible], axis=0)
    mostly_opaque = visible.mean() > 0.7
    lightness = float(np.asarray(image.convert("L"))[visible].mean())
    paper = typical if mostly_opaque else (255.0 if lightness < 128 else 0.0)
    return Image.fromarray(np.rint(colours * alpha + paper * (1 - alpha)).astype(np.uint8))


def _stretch(image: Image.Image) -> Image.Image:
    """More than 8 bits: the range that is used, onto 0..255."""
    values = np.asarray(image, dtype=np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    levels = np.clip(np.nan_to_num(values, nan=low) - low, 0, high - low) * scale
    return Image.fromarray(np.rint(levels).astype(np.uint8))


def _shrink(image: Image.Image) -> Image.Image:
    """Averages blocks of pixels; a long strip is not made thinner than a digit can stand."""
    factor = min(max(image.size) // LONGER_SIDE, max(1, min(image.size) // _SHORTER_SIDE))
    return image.reduce(factor) if factor > 1 else image
