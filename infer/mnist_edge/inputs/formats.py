"""Which formats are read: an allow-list, since Pillow would start Ghostscript for PostScript.

Every format of the list is decoded in this process, by Pillow and the libraries in it, and opens no
other file.
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
from typing import TYPE_CHECKING

from mnist_edge.errors import ImageReadError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FORMATS", "identify", "refuse_other_programs"]

_COMMON = ("PNG", "JPEG", "GIF", "BMP", "DIB", "PPM")
"""Those that Pillow has ready; PPM stands for PBM, PGM, PPM and PFM."""

_OTHERS = ("TIFF", "WEBP", "AVIF", "JPEG2000", "ICO", "PCX", "XBM", "TGA")
"""Those whose plugins are imported when the first of them comes. TGA is last: any bytes may be
one."""

FORMATS = (*_COMMON, *_OTHERS, "HEIF")
"""Formats that are read, as Pillow names them. MPO, of phones and stereo cameras, is a JPEG."""

_REFUSED = (
    (b"%!PS", 0, "PostScript"),
    (b"\xc5\xd0\xd3\xc6", 0, "PostScript"),
    (b"%PDF", 0, "PDF"),
    (b"\xd7\xcd\xc6\x9a", 0, "a Windows metafile"),
    (b" EMF", 40, "a Windows metafile"),
    (b"8BPS", 0, "a Photoshop file"),
    (b"<svg", 0, "SVG"),
    (b"<?xml", 0, "SVG or XML"),
)
"""First bytes of what people take for pictures, where they stand, and what it is."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")

# Pillow logs what it finds odd in a file. Without a handler, Python prints that on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def identify(content: bytes, name: str) -> Image.Image:
    """Reads the header of a picture; its pixels are not decoded yet.

    Args:
        content: a whole file.
        name: what errors call it.

    Raises:
        ImageReadError: it is in none of `FORMATS`.
        Exception: its header is damaged; Pillow documents no closed list.
    """
    from PIL import Image, JpegImagePlugin, UnidentifiedImageError

    if content.startswith(b"\xff\xd8\xff"):
        # Not by `Image.open`, whose limit of pixels is for those that are decoded at full size.
        return JpegImagePlugin.JpegImageFile(io.BytesIO(content))
    try:
        return Image.open(io.BytesIO(content), formats=_COMMON)
    except UnidentifiedImageError:
        Image.init()
    known = [kind for kind in _OTHERS if kind in Image.OPEN]
    try:
        return Image.open(io.BytesIO(content), formats=known)
    except UnidentifiedImageError:
        pass
    if _is_heif(content) and _register_heif():
        return Image.open(io.BytesIO(content), formats=["HEIF"])
    raise ImageReadError(f"{name}: {_why_not(content)}")


def refuse_other_programs(image: Image.Image, name: str) -> None:
    """Refuses a picture that a caller has opened, and that Ghostscript would have to load.

    Raises:
        ImageReadError: it is PostScript, and is not loaded yet.
    """
    if image.format == "EPS" and getattr(image, "tile", None):
        raise ImageReadError(f"{name}: PostScript is not read; load it first, or save it as PNG")


def _is_heif(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


@functools.cache
def _register_heif() -> bool:
    """Adds HEIC to Pillow, where the package `pillow-heif` is installed: it waits to be asked."""
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return False
    plugin.register_heif_opener()
    return True


def _why_not(content: bytes) -> str:
    """Why a file is not read, and what to do about it."""
    for start, place, what in _REFUSED:
        if content.startswith(start, place):
            return f"{what} is not read; save it as PNG or JPEG"
    if _is_heif(content):
        brands = content[8:64]
        if any(brand in brands for brand in _AVIF_BRANDS):
            return "AVIF is not read by this version of Pillow; pip install --upgrade pillow"
        if content[8:12] in _HEIC_BRANDS and not _register_heif():
            return (
                "HEIC is not read without pillow-heif; pip install pillow-heif, or save it as JPEG"
            )
    return "not an image in any format that is read; save it as PNG or JPEG"
