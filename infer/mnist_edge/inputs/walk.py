"""Folders and globs -> the files that they stand for, sorted, in bounded memory."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

__all__ = ["FolderWalk", "in_order", "matching"]

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

    def is_picture(self, name: str) -> bool:
        """Whether a file has the extension of a picture."""
        return name.rpartition(".")[2].lower() in _SUFFIXES

    def pictures_in(self, folder: str) -> Iterator[str]:
        """Paths of the pictures in a folder, sorted by name; those of a subfolder at its place.

        A folder that cannot be listed is yielded itself: it is an input that cannot be read.
        """
        seen: set[tuple[int, int]] = set()
        first = self._listing(folder, seen)
        if first is None:
            yield folder
            return
        # A stack of our own: folders may be nested deeper than calls.
        listings = [first]
        while listings:
            path = next(listings[-1], None)
            if path is None:
                listings.pop()
            elif path[-1] != os.sep:
                yield path
            elif (below := self._listing(path[:-1], seen)) is None:
                yield path[:-1]
            else:
                listings.append(below)

    def _listing(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[str] | None:
        """Paths of a folder's pictures and, with a separator at the end, of the folders in it.

        None where it cannot be listed; nothing where it was `seen`.
        """
        prefix = os.path.join(folder, "")
        try:
            here = os.stat(folder)
            # A link may lead back up: followed twice, it would never end.
            if (here.st_dev, here.st_ino) in seen:
                return iter(())
            seen.add((here.st_dev, here.st_ino))
            return map(prefix.__add__, in_order(self._entries(folder)))
        except OSError:
            return None

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
    folder, last = os.path.split(pattern)
    folders = glob.iglob(folder) if glob.has_magic(folder) else [folder]
    matches = (match for folder in folders for match in _matches_in(folder, last))
    return in_order(match for match in matches if os.path.isfile(match))


def _matches_in(folder: str, pattern: str) -> Iterator[str]:
    """Paths in a folder that match; `glob` would keep all names, matching or not, in memory."""
    if not glob.has_magic(pattern):
        yield os.path.join(folder, pattern)
        return
    is_match = re.compile(fnmatch.translate(os.path.normcase(pattern))).match
    with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            is_visible = entry.name[0] != "." or pattern[0] == "."
            if is_visible and is_match(os.path.normcase(entry.name)):
                yield os.path.join(folder, entry.name)


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Sorts any number of names while keeping `_RUN` of them in memory."""
    runs: list[Iterable[str]] = []
    disk = _RunsOnDisk()
    run: list[str] = []
    for name in names:
        if len(run) == _RUN:
            run.sort()
            runs.append(disk.add(run))
            run = []
        run.append(name)
    run.sort()
    return disk.merged([*runs, run]) if runs else iter(run)


class _RunsOnDisk:
    """Sorted lists of names in one temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def merged(self, runs: list[Iterable[str]]) -> Iterator[str]:
        """All names in order; the file is deleted after the last one."""
        with self._file or contextlib.nullcontext():
            yield from heapq.merge(*runs)

    def add(self, run: list[str]) -> Iterable[str]:
        """Writes a list, to be read once; the list itself where there is no room on disk for it."""
        content = b"\0".join(map(os.fsencode, run))
        try:
            if self._file is None:
                import tempfile

                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._file.seek(self._end)
            if self._file.write(content) < len(content):
                return run
        except OSError:
            # No folder for it, no space, or too many open files.
            return run
        start, self._end = self._end, self._end + len(content)
        return _names(self._file, start, self._end)


def _names(file: IO[bytes], start: int, end: int) -> Iterator[str]:
    """Names in a part of a file, with NUL bytes between them."""
    rest = b""
    while start < end:
        file.seek(start)
        block = file.read(min(_BLOCK, end - start))
        if not block:
            raise OSError("a temporary file was cut off")
        start += len(block)
        *whole, rest = (rest + block).split(b"\0")
        yield from map(os.fsdecode, whole)
    yield os.fsdecode(rest)
