"""Any picture a person has -> its pixels, upright, in grey or in colour.

Pillow does the decoding. What is added here is what separates two pictures that look alike to a
person and not to a program: orientation tags, transparency, 16 bits, palettes, animations, and
size, in bytes and in pixels.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import warnings
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_edge.errors import ImageReadError
from mnist_edge.png import plain_pixels

__all__ = ["LONGER_SIDE", "ImageSource", "Pixels", "decode", "describe"]

Pixels = npt.NDArray[np.uint8]
ImageSource = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | Image.Image
    | npt.NDArray[np.generic]
)
"""What `decode` takes: a path, an encoded file's bytes, an open binary file, a PIL image, an array.

Arrays are ``[H, W]`` grey, ``[H, W, 1]``, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA, of uint8 in
0..255, bool, or floats in 0..1.
"""

LONGER_SIDE, _SHORTER_SIDE = 480, 64
"""Pixels that are kept along each side at least, where there are as many. A digit filling 1 % of
the page is still some 40 of them high, and a photograph of 12 megapixels can be decoded at an
eighth of its size."""

_LARGEST_AREA = 80_000_000
"""Pixels that a picture may have at most; what claims more is taken for a decompression bomb."""

_BLOCK = 65_536


def describe(source: ImageSource) -> str | None:
    """The path of `source` where it has one."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return name if isinstance(name, str) else None


def decode(source: ImageSource, name: str | None = None) -> Pixels:
    """Opens a picture and reduces its size.

    The first frame of an animation, turned upright by its EXIF tag, transparency filled with the
    opposite of what is drawn on it, and less than 960 pixels along the longer side, strips apart.

    Args:
        source: what to open.
        name: what errors call it; None = its path, where it has one.

    Returns:
        uint8, 0 = black, 255 = white: ``[H, W]``, or ``[H, W, 3]`` RGB where it has colours.

    Raises:
        ImageReadError: missing, unreadable, no image, truncated, or larger than 80 megapixels.
    """
    name = name or describe(source) or "image"
    try:
        content = _read(source, name)
        plain = _plain_png(content) if isinstance(content, bytes) else _plain(content)
        if plain is not None:
            return plain
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and large sizes; the size has a limit of its own below.
            warnings.simplefilter("ignore")
            with _open(content, name) as image:
                return _to_pixels(image, name)
    except ImageReadError:
        raise
    except OSError as error:
        raise ImageReadError(f"{name}: {_reason(error)}") from error
    except MemoryError as error:
        raise ImageReadError(f"{name}: there is not enough memory to decode it") from error
    except Exception as error:
        # A parser fed arbitrary bytes trips over them in arbitrary ways (SyntaxError, struct.error,
        # IndexError, ...): Pillow documents no closed list.
        raise ImageReadError(f"{name}: damaged image ({error or type(error).__name__})") from error


def _reason(error: OSError) -> str:
    """What went wrong and what to do, for a person."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder with no picture in it"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in any format that Pillow reads"
    if error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    return f"damaged image ({error}); copy or save it again"


def _read(
    source: ImageSource, name: str
) -> bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.generic]:
    """A file's bytes, all of them; a picture that is in memory already as it is."""
    if isinstance(source, str | os.PathLike):
        # Read whole: a file that vanishes or is replaced half-way cannot then give half a picture.
        return _content_of(source)
    if isinstance(source, Image.Image | np.ndarray | bytes | bytearray | memoryview):
        return source
    if not hasattr(source, "read"):
        raise ImageReadError(
            f"{name}: {type(source).__name__} is no picture; give a path, the bytes of a file, "
            "an open file, a PIL image, or an array"
        )
    return source.read()


def _content_of(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes, in half the time that a file object takes for a few hundred of them."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        blocks = [os.read(descriptor, _BLOCK)]
        while blocks[-1]:
            blocks.append(os.read(descriptor, _BLOCK))
    finally:
        os.close(descriptor)
    return b"".join(blocks)


def _plain_png(content: bytes) -> Pixels | None:
    """Of a small grey PNG; of most data sets' pictures."""
    picture = plain_pixels(content)
    if picture is None:
        return None
    height, width, pixels = picture
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def _plain(content: object) -> Pixels | None:
    """Small grey pixels that need nothing done to them."""
    is_plain = (
        isinstance(content, np.ndarray)
        and content.dtype == np.uint8
        and content.ndim == 2
        and content.size > 0
        and max(content.shape) <= LONGER_SIDE
    )
    return np.ascontiguousarray(content) if is_plain else None


def _open(
    content: bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.generic], name: str
) -> Image.Image:
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
