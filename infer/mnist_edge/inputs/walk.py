"""Folders and globs -> the files they stand for: in one order every time, in bounded memory."""

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
"""Taken from a folder or an archive. A file that is named itself is tried whatever it is called."""

_RUN = 10_000
"""Names that are sorted in memory; longer lists are sorted in runs on disk, and merged."""


_BLOCK = 16_384


@dataclass
class FolderWalk:
    """Lists folders, and remembers what it did not.

    Attributes:
        recursive: look into the folders inside a folder, through links too, each folder once.
        skipped: files that are hidden or no picture by their name.
    """

    recursive: bool
    skipped: int = 0

    def is_wanted(self, name: str) -> bool:
        """Whether a file of this name is taken for a picture; counts it where it is not."""
        stem, _, suffix = name.rpartition(".")
        wanted = stem != "" and stem[0] != "." and suffix.lower() in _SUFFIXES
        self.skipped += not wanted
        return wanted

    def pictures_in(self, folder: str) -> Iterator[str]:
        """Paths of the pictures in a folder, by name; a folder's own at the place of its name.

        A folder that cannot be listed stands for itself: it is an input that cannot be answered.
        """
        yield from self._below(folder, set())

    def _pictures_in(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
        here = os.stat(folder)
        # A link may lead back up: whoever follows it twice never comes back.
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
        """Names of pictures; names of folders to look into end with a separator."""
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if _answers(entry.is_dir):
                    if self.recursive and name[0] != ".":
                        yield name + os.sep
                elif self.is_wanted(name) and _answers(entry.is_file):
                    yield name


def _answers(question: Callable[[], bool]) -> bool:
    """A link that leads to itself is neither a file nor a folder, and says so by failing."""
    try:
        return question()
    except OSError:
        return False


def matching(pattern: str) -> Iterator[str]:
    """Files that a glob stands for, by name."""
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

    # The file is closed, and gone, when the last name was read.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(b"\0".join(map(os.fsencode, run)) + b"\0")
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[str]:
    with file:
        yield from names_in(file, b"\0")


def names_in(file: IO[bytes], separator: bytes) -> Iterator[str]:
    """File names, one after the other; what follows the last separator is one too."""
    rest = b""
    while block := file.read(_BLOCK):
        *whole, rest = (rest + block).split(separator)
        yield from map(os.fsdecode, whole)
    if rest:
        yield os.fsdecode(rest)
