"""Paths, folders, globs and stdin -> a stream of pictures to read."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable
from io import BytesIO

from mnist_edge.errors import UsageError

__all__ = ["STDIN", "expand", "open_source"]

STDIN = "-"

_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "heic", "heif", "avif", "jp2", "ico", "tga", "pcx", "xbm"),
    )
)
"""Taken from a folder. A file that is named itself is tried whatever it is called."""


class _NamedBytes(BytesIO):
    """Bytes that know where they came from."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def open_source(path: str) -> str | _NamedBytes:
    """What `DigitClassifier.stream` is given for a path: itself, or stdin's bytes for ``-``.

    A stdin that is closed or cannot be read is an empty one.
    """
    if path != STDIN:
        return path
    try:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read()
    except OSError:
        content = b""
    return _NamedBytes(content, STDIN)


def expand(paths: Iterable[str], *, recursive: bool) -> list[str]:
    """The pictures that a command line names, in its order; a folder's in the order of names.

    Hidden files and files that are no picture by their name are passed over in folders. What does
    not exist, or is a folder without pictures, stays in the list itself: it is one input that
    cannot be answered.

    Raises:
        UsageError: there is nothing to read at all.
    """
    expanded = [(path, _expand_one(path, recursive)) for path in paths]
    if not any(pictures for _, pictures in expanded):
        names = ", ".join(path for path, _ in expanded) or "nothing named"
        advice = "" if recursive else "; --recursive looks into the folders inside a folder"
        raise UsageError(f"{names}: no picture to read{advice}")
    return [picture for path, pictures in expanded for picture in pictures or [path]]


def _expand_one(path: str, recursive: bool) -> list[str]:
    # os.path answers False where pathlib raises: for a name too long, a folder closed to us.
    if path == STDIN:
        return [path]
    if os.path.isdir(path):
        return _pictures_in(path, recursive)
    if glob.has_magic(path) and not os.path.lexists(path):
        return sorted(match for match in glob.glob(path) if os.path.isfile(match))
    return [path]


def _pictures_in(folder: str, recursive: bool) -> list[str]:
    """The pictures of a folder, and whatever folder could not be looked into."""
    closed: list[OSError] = []
    found: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [
            os.path.join(parent, name)
            for name in names
            if not name.startswith(".")
            and os.path.splitext(name)[1].lower() in _SUFFIXES
            and os.path.isfile(os.path.join(parent, name))
        ]
    return sorted(found + [str(error.filename) for error in closed])
