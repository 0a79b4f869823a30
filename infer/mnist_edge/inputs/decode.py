"""Any picture a person has -> its pixels, upright, in gray or in colour.

Data sets are made of small gray PNGs and arrays, which need nothing done to them; everything else
goes through Pillow, which is imported when the first of them comes::

    bytes -> header checked -> identified -> loaded -> turned, reduced -> pixels
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageError, ImageReadError, MissingExtraError
from mnist_edge.inputs import prefetch
from mnist_edge.inputs.limits import LARGEST_FILE, LONGER_SIDE, read_limited
from mnist_edge.inputs.names import is_url
from mnist_edge.inputs.png import decode_small_png
from mnist_edge.types import ImageSource, Pixels

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "LONGER_SIDE",
    "decode",
    "decode_all",
    "decode_with_size",
    "fetched",
    "open_picture",
    "source_name",
]

_Content = bytes | npt.NDArray[np.generic]


def source_name(source: ImageSource) -> str | None:
    """The path of `source`, where it has one."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return name if isinstance(name, str) else None


def fetched(sources: Sequence[ImageSource | ImageError]) -> Iterable[ImageSource | ImageError]:
    """The same sources; what URLs among them stand for is fetched, several at a time."""
    if any(isinstance(source, str) and is_url(source) for source in sources):
        from mnist_edge.inputs import urls

        return urls.fetched(sources)
    return sources


def decode_all(
    sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
) -> list[Pixels | ImageError]:
    """`decode` for several; an error takes the place of the picture that it is about."""
    decoded: list[Pixels | ImageError] = []
    for source, name in zip(fetched(sources), names, strict=True):
        try:
            decoded.append(source if isinstance(source, ImageError) else decode(source, name))
        except ImageError as error:
            decoded.append(_without_traceback(error))
    return decoded


def _without_traceback(error: ImageError) -> ImageError:
    """Drops what would keep the picture in memory for as long as the error."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


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
        ImageReadError: missing, unreadable, in none of the formats that are read, truncated, or too
            large (see `mnist_edge.inputs.limits`).
    """
    return decode_with_size(source, name)[0]


def decode_with_size(
    source: ImageSource, name: str | None = None
) -> tuple[Pixels, tuple[int, int]]:
    """`decode`, and the width and height of the upright picture before it was reduced, pixels."""
    name = name or source_name(source) or "image"
    try:
        content = _read(source, name)
        small = decode_small_png(content) if isinstance(content, bytes) else _small_array(content)
        if small is not None:
            return small, (small.shape[1], small.shape[0])
        from mnist_edge.inputs.pixels import is_sideways, to_pixels

        with _silent_libraries():
            image, size = _load(content, name, LONGER_SIDE)
            return to_pixels(image), size[::-1] if is_sideways(image) else size
    except (ImageReadError, MissingExtraError):
        raise
    except OSError as error:
        raise ImageReadError(f"{name}: {_reason(error)}") from error
    except MemoryError as error:
        raise ImageReadError(f"{name}: there is not enough memory to decode it") from error
    except Exception as error:
        # A parser fed arbitrary bytes trips over them in arbitrary ways (SyntaxError, struct.error,
        # IndexError, RecursionError, ...): Pillow documents no closed list.
        raise ImageReadError(f"{name}: damaged image ({_one_line(error)})") from error


def open_picture(source: ImageSource, longer_side: int = LONGER_SIDE) -> Image.Image | None:
    """Opens a picture for display: upright, RGB or RGBA.

    Args:
        source: what to open; a pipe gives its bytes once, and is not opened a second time.
        longer_side: pixels that are enough: a JPEG is decoded at a fraction of its size.

    Returns:
        None where it cannot be opened.
    """
    try:
        if isinstance(source, str | os.PathLike) and not os.path.isfile(source):
            return None
        if hasattr(source, "seek"):
            source.seek(0)
        from mnist_edge.inputs.pixels import displayable

        with _silent_libraries():
            return displayable(_load(_read(source, "image"), "image", longer_side)[0])
    except Exception:  # as in `decode`; the prediction's own error says what it was
        return None


def _read(source: ImageSource, name: str) -> _Content | Image.Image:
    """A file's bytes, all of them; a picture that is in memory already as it is."""
    if isinstance(source, str) and (prefetched := prefetch.lookup(source)) is not None:
        return prefetched
    if isinstance(source, str) and is_url(source):
        from mnist_edge.inputs.urls import read_url

        return read_url(source)
    if isinstance(source, str | os.PathLike):
        return _read_file(source, name)
    if isinstance(source, bytes | np.ndarray):
        content = source
    elif isinstance(source, bytearray | memoryview):
        content = bytes(source)
    elif hasattr(source, "read"):
        content = read_limited(source.read, name)
    else:
        from PIL import Image

        if isinstance(source, Image.Image):
            return source
        raise ImageReadError(
            f"{name}: {type(source).__name__} is not a picture; give a path, the bytes of a file, "
            "an open file, a PIL image, or an array"
        )
    if isinstance(content, bytes) and len(content) > LARGEST_FILE:
        raise ImageReadError(f"{name}: larger than {LARGEST_FILE >> 20} MiB")
    return content


def _read_file(path: str | os.PathLike[str], name: str) -> bytes:
    # Read whole: a file that vanishes or is replaced half-way cannot then give half a picture.
    # A file object would take twice the time for a few hundred bytes.
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL byte, or half of a surrogate pair
        reason = error.reason if isinstance(error, UnicodeEncodeError) else error
        raise ImageReadError(f"{name}: not a path ({reason})") from error
    try:
        return read_limited(lambda size: os.read(descriptor, size), name)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    """A message for the user: what went wrong and what to do."""
    from PIL import UnidentifiedImageError

    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder with no picture in it"
    if isinstance(error, UnidentifiedImageError):
        return "damaged image (its header cannot be read)"
    if error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    return f"damaged image ({_one_line(error)}); copy or save it again"


def _one_line(error: Exception) -> str:
    """What a library says, which may have several lines."""
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def _silent_libraries() -> Iterator[None]:
    """Drops warnings: Pillow warns of odd metadata and sizes, numpy of odd floats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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


_Loaded = tuple["Image.Image", tuple[int, int]]
"""A loaded picture, which may have been reduced, and its width and height before that."""


def _load(content: _Content | Image.Image, name: str, longer_side: int) -> _Loaded:
    """Opens and loads a picture, with at least `longer_side` pixels if it has them.

    Raises:
        ImageReadError: it would take more memory than `LARGEST_DECODED`.
    """
    if isinstance(content, bytes):
        return _load_file(content, name, longer_side)
    if isinstance(content, np.ndarray):
        return _load_array(content, name)
    from mnist_edge.inputs.formats import refuse_other_programs
    from mnist_edge.inputs.memory import check_area, check_memory, decoding_memory, pixel_memory

    refuse_other_programs(content, name)
    check_area(content.size, name)
    check_memory(decoding_memory(content) + pixel_memory(content), name, content.size)
    size = content.size
    content.load()
    return content, size


def _load_array(array: npt.NDArray[np.generic], name: str) -> _Loaded:
    from PIL import Image

    from mnist_edge.inputs.arrays import to_uint8
    from mnist_edge.inputs.memory import check_area

    pixels = to_uint8(array, name)
    check_area((pixels.shape[1], pixels.shape[0]), name)
    return Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0])


def _load_file(content: bytes, name: str, longer_side: int) -> _Loaded:
    from mnist_edge.inputs.formats import identify
    from mnist_edge.inputs.headers import prepare
    from mnist_edge.inputs.memory import check_area, check_memory, decoding_memory, pixel_memory

    if not content:
        raise ImageReadError(f"{name}: the file is empty")
    content, buffered = prepare(content)
    needed = len(content) + buffered
    check_memory(needed, name)
    image = identify(content, name)
    width, height = image.size
    halved = 0
    # Two formats can skip most of the work: JPEG decodes at 1/2, 1/4 or 1/8 of its size, whenever
    # that is enough, and JPEG 2000 too, where the whole would take too much memory.
    if image.format == "JPEG2000":
        from mnist_edge.inputs.jpeg2000 import lower_resolution

        beside, halved = lower_resolution(image, content)
        needed += beside
    else:
        needed += decoding_memory(image)
        image.draft(None, (longer_side, longer_side))
    check_area((image.width >> halved, image.height >> halved), name)
    check_memory(needed + (pixel_memory(image) >> 2 * halved), name, (width, height))
    image.load()
    return image, (width, height)
