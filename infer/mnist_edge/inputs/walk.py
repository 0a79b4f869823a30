"""Folders and globs -> the files that they stand for, sorted, in bounded memory."""

from __future__ import annotations

import glob
import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

__all__ = ["FolderWalk", "in_order", "matching", "names_in"]

_SUFFIXES = {
    *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff"),
    *("ppm", "pgm", "pbm", "pnm", "heic", "heif", "avif", "jp2", "ico", "tga", "pcx", "xbm"),
}
"""Extensions of the files that are read from a folder or an archive; a file that is named on the
command line is read whatever its extension."""

_RUN = 10_000
"""Names that are sorted in memory; longer lists are sorted in runs on disk, and merged."""

_BLOCK = 16_384


@dataclass
class FolderWalk:
    """Lists the pictures in folders, and counts the files that it skips.

    Attributes:
        recursive: search the folders inside a folder, through links too, each folder once.
        skipped: files that are hidden, or without the extension of a picture.
    """

    recursive: bool
    skipped: int = 0

    def is_wanted(self, name: str) -> bool:
        """Whether a file has the name of a picture; counts it as skipped where it has not."""
        stem, _, suffix = name.rpartition(".")
        wanted = stem != "" and stem[0] != "." and suffix.lower() in _SUFFIXES
        self.skipped += not wanted
        return wanted

    def pictures_in(self, folder: str) -> Iterator[str]:
        """Paths of the pictures in a folder, sorted by name; those of a subfolder at its place.

        A folder that cannot be listed is yielded itself: it is an input that cannot be read.
        """
        yield from self._below(folder, set())

    def _pictures_in(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
        here = os.stat(folder)
        # A link may lead back up: followed twice, it would never end.
        if (here.st_dev, here.st_ino) in seen:
            return
        seen.add((here.st_dev, here.st_ino))
        prefix = os.path.join(folder, "")
        for name in in_order(self._entries(folder)):
            if name[-1] == os.sep:
                yield from self._below(prefix + name[:-1], seen)
            else:
                yield prefix + name

    def _below(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
        try:
            yield from self._pictures_in(folder, seen)
        except OSError:
            yield folder

    def _entries(self, folder: str) -> Iterator[str]:
        """Names of pictures; names of folders to search end with a separator."""
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if _is_true(entry.is_dir):
                    if self.recursive and name[0] != ".":
                        yield name + os.sep
                elif self.is_wanted(name) and _is_true(entry.is_file):
                    yield name


def _is_true(question: Callable[[], bool]) -> bool:
    """Asks `question`; False where that fails: a link to itself is neither file nor folder."""
    try:
        return question()
    except OSError:
        return False


def matching(pattern: str) -> Iterator[str]:
    """Files that a glob matches, sorted by name."""
    return in_order(match for match in glob.iglob(pattern) if os.path.isfile(match))


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Sorts any number of names while keeping `_RUN` of them in memory."""
    runs: list[Iterator[str]] = []
    run: list[str] = []
    for name in names:
        if len(run) == _RUN:
            runs.append(_on_disk(sorted(run)))
            run = []
        run.append(name)
    run.sort()
    return heapq.merge(*runs, run) if runs else iter(run)


def _on_disk(run: list[str]) -> Iterator[str]:
    import tempfile

    # The file is closed, and deleted, when the last name was read.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(b"\0".join(map(os.fsencode, run)) + b"\0")
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[str]:
    with file:
        yield from names_in(file, b"\0")


def names_in(file: IO[bytes], separator: bytes) -> Iterator[str]:
    """File names between separators; the text after the last separator is a name too."""
    rest = b""
    while block := file.read(_BLOCK):
        *whole, rest = (rest + block).split(separator)
        yield from map(os.fsdecode, whole)
    if rest:
        yield os.fsdecode(rest)
