"""Any picture a person has -> its pixels, upright, in gray or in colour.

Data sets are made of small gray PNGs and arrays, which need nothing done to them; everything else
goes through Pillow, which is imported when the first of them comes. What is added to Pillow is what
separates two pictures that look alike to a person and not to a program: orientation tags,
transparency, 16 bits, palettes, animations, and size, in bytes and in pixels.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageError, ImageReadError
from mnist_edge.inputs import prefetch
from mnist_edge.inputs.png import decode_small_png
from mnist_edge.types import ImageSource, Pixels

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["LONGER_SIDE", "decode", "decode_all", "open_picture", "source_name"]

LONGER_SIDE = 480
"""Pixels that are kept along the longer side at least, where there are as many. A digit filling 1 %
of the page is still some 40 of them high, and a photograph of 12 megapixels can be decoded at an
eighth of its size."""

_SHORTER_SIDE = 64
"""Pixels that are kept along the shorter side of a strip at least, where there are as many."""

_LARGEST_AREA = 80_000_000
"""Pixels that a picture may have at most; one that claims more may be a decompression bomb."""

_BLOCK = 65_536

_Content = bytes | bytearray | memoryview | npt.NDArray[np.generic]


def source_name(source: ImageSource) -> str | None:
    """The path of `source`, where it has one."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return name if isinstance(name, str) else None


def decode_all(
    sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
) -> list[Pixels | ImageError]:
    """`decode` for several; an error takes the place of the picture that it is about."""
    decoded: list[Pixels | ImageError] = []
    for source, name in zip(sources, names, strict=True):
        try:
            decoded.append(source if isinstance(source, ImageError) else decode(source, name))
        except ImageError as error:
            decoded.append(error)
    return decoded


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
    name = name or source_name(source) or "image"
    try:
        content = _read(source, name)
        small = decode_small_png(content) if isinstance(content, bytes) else _small_array(content)
        if small is not None:
            return small
        return _to_pixels(_open(content, name, LONGER_SIDE))
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


def open_picture(source: ImageSource, longer_side: int = LONGER_SIDE) -> Image.Image | None:
    """Opens a picture for display: upright, RGB or RGBA.

    Args:
        source: what to open; a pipe gives its bytes once, and is not opened a second time.
        longer_side: pixels that are enough: a JPEG is decoded at a fraction of its size.

    Returns:
        None where it cannot be opened.
    """
    if isinstance(source, str | os.PathLike) and not os.path.isfile(source):
        return None
    try:
        if hasattr(source, "seek"):
            source.seek(0)
        image = _open(_read(source, "image"), "image", longer_side)
    except Exception:  # as in `decode`; the prediction's own error says what it was
        return None
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        image = _stretch(_averageable(image))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _read(source: ImageSource, name: str) -> _Content | Image.Image:
    """A file's bytes, all of them; a picture that is in memory already as it is."""
    if isinstance(source, str) and (prefetched := prefetch.lookup(source)) is not None:
        return prefetched
    if isinstance(source, str | os.PathLike):
        # Read whole: a file that vanishes or is replaced half-way cannot then give half a picture.
        # A file object would take twice the time for a few hundred bytes.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            blocks = [os.read(descriptor, _BLOCK)]
            while blocks[-1]:
                blocks.append(os.read(descriptor, _BLOCK))
        finally:
            os.close(descriptor)
        return b"".join(blocks)
    if isinstance(source, np.ndarray | bytes | bytearray | memoryview):
        return source
    if hasattr(source, "read"):
        content: bytes = source.read()
        return content
    from PIL import Image

    if isinstance(source, Image.Image):
        return source
    raise ImageReadError(
        f"{name}: {type(source).__name__} is no picture; give a path, the bytes of a file, "
        "an open file, a PIL image, or an array"
    )


def _reason(error: OSError) -> str:
    """A message for the user: what went wrong and what to do."""
    from PIL import UnidentifiedImageError

    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder with no picture in it"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in any format that Pillow reads"
    if error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    return f"damaged image ({error}); copy or save it again"


def _small_array(content: object) -> Pixels | None:
    """Small gray pixels that need nothing done to them."""
    is_small = (
        isinstance(content, np.ndarray)
        and content.dtype == np.uint8
        and content.ndim == 2
        and content.size > 0
        and max(content.shape) <= LONGER_SIDE
    )
    return np.ascontiguousarray(content) if is_small else None


def _open(content: _Content | Image.Image, name: str, longer_side: int) -> Image.Image:
    """Opens and loads a picture, upright, with at least `longer_side` pixels if it has them."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # Pillow warns of odd metadata and large sizes; the size has a limit of its own.
        warnings.simplefilter("ignore")
        if isinstance(content, Image.Image):
            image = content.copy()
        elif isinstance(content, np.ndarray):
            image = Image.fromarray(_eight_bit(content, name))
        elif content:
            image = _identify(content)
        else:
            raise ImageReadError(f"{name}: the file is empty")
        if image.width * image.height > _LARGEST_AREA:
            raise ImageReadError(
                f"{name}: {image.width} x {image.height} pixels is more than is safe to decode; "
                "scale it down first"
            )
        if 0 in image.size:
            raise ImageReadError(f"{name}: a picture without pixels")
        # JPEG alone can skip most of the work: it decodes at 1/2, 1/4 or 1/8 of its size.
        image.draft(None, (longer_side, longer_side))
        image.load()
        # A picture without metadata has no orientation to ask for.
        return ImageOps.exif_transpose(image) if image.info or image.format == "TIFF" else image


def _identify(content: bytes | bytearray | memoryview) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        if not _register_heif():
            raise
        return Image.open(io.BytesIO(content))


@functools.cache
def _register_heif() -> bool:
    """Adds HEIC to Pillow, where the package `pillow-heif` is installed: it waits to be asked."""
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


def _to_pixels(image: Image.Image) -> Pixels:
    """Pixels of a loaded picture: reduced first, since 80 megapixels of floats are 320 MB."""
    image = _averageable(image)
    # Blocks of pixels are averaged; a long strip is not made thinner than a digit can stand.
    factor = min(max(image.size) // LONGER_SIDE, max(1, min(image.size) // _SHORTER_SIDE))
    if factor > 1:
        image = image.reduce(factor)
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


def _averageable(image: Image.Image) -> Image.Image:
    """Converts to a mode whose pixels can be averaged: not indices, not bits."""
    if image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data:
        return image
    if image.mode in ("LA", "RGBA", "F", "I"):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I;16"):
        return image.convert("I")
    return image.convert("L" if image.mode == "1" else "RGB")


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
