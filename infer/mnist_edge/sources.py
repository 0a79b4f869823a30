"""Paths, folders, globs and stdin -> a stream of pictures to read."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

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
    """What `DigitClassifier.stream` is given for a path: itself, or stdin's bytes for ``-``."""
    return _NamedBytes(sys.stdin.buffer.read(), STDIN) if path == STDIN else path


@dataclass(frozen=True)
class _Folder:
    path: Path
    recursive: bool

    def pictures(self) -> list[str]:
        inside = self.path.rglob("*") if self.recursive else self.path.glob("*")
        return sorted(
            str(path)
            for path in inside
            if path.suffix.lower() in _SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(self.path).parts)
            and path.is_file()
        )


def expand(paths: Iterable[str], *, recursive: bool) -> list[str]:
    """The pictures that a command line names, in its order; a folder's in the order of names.

    Hidden files and files that are no picture by their name are passed over in folders. What does
    not exist, or is a folder without pictures, stays in the list itself: it is one input that
    cannot be answered.

    Raises:
        UsageError: there is nothing to read at all.
    """
    expanded = [(path, list(_expand_one(path, recursive))) for path in paths]
    if not any(pictures for _, pictures in expanded):
        names = ", ".join(path for path, _ in expanded) or "nothing named"
        advice = "" if recursive else "; --recursive looks into the folders inside a folder"
        raise UsageError(f"{names}: no picture to read{advice}")
    return [picture for path, pictures in expanded for picture in pictures or [path]]


def _expand_one(path: str, recursive: bool) -> Iterator[str]:
    if path == STDIN:
        yield path
    elif Path(path).is_dir():
        yield from _Folder(Path(path), recursive).pictures()
    elif glob.has_magic(path) and not Path(path).exists():
        yield from (match for match in sorted(glob.glob(path)) if Path(match).is_file())
    else:
        yield path
