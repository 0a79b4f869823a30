"""Any picture a person has -> its pixels, upright, in grey or in colour.

Data sets are made of small grey PNGs and arrays, which need nothing done to them; `pictures` opens
all others, with Pillow, which is imported when the first of them comes.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.png import plain_pixels

if TYPE_CHECKING:
    from PIL import Image

    from mnist_edge.inputs.pictures import Opened

__all__ = ["LONGER_SIDE", "ImageSource", "Pixels", "decode", "describe"]

Pixels = npt.NDArray[np.uint8]
ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image"
    " | npt.NDArray[np.generic]"
)
"""What `decode` takes: a path, an encoded file's bytes, an open binary file, a PIL image, an array.

Arrays are ``[H, W]`` grey, ``[H, W, 1]``, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA, of uint8 in
0..255, bool, or floats in 0..1.
"""

_PATHS = (str, os.PathLike)
_IN_MEMORY = (np.ndarray, bytes, bytearray, memoryview)

LONGER_SIDE = 480
"""Pixels that are kept along the longer side at least, where there are as many. A digit filling 1 %
of the page is still some 40 of them high, and a photograph of 12 megapixels can be decoded at an
eighth of its size."""

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
        from mnist_edge.inputs.pictures import pixels_of

        return pixels_of(content, name)
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


def _read(source: ImageSource, name: str) -> Opened:
    """A file's bytes, all of them; a picture that is in memory already as it is."""
    if isinstance(source, _PATHS):
        # Read whole: a file that vanishes or is replaced half-way cannot then give half a picture.
        return _content_of(source)
    if isinstance(source, _IN_MEMORY):
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
