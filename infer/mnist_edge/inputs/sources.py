"""What a command line names -> a stream of pictures to read.

Files, folders, globs, stdin, lists of names, archives, and arrays of pictures all become `Item`s,
in one order every time; none is opened before its turn, none is kept after it.
"""

from __future__ import annotations

import glob
import os
import select
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mnist_edge.errors import UsageError
from mnist_edge.inputs.walk import Listing, matching

if TYPE_CHECKING:
    from mnist_edge.inputs.decode import ImageSource, Pixels

__all__ = ["STDIN", "Item", "count", "named_in_list", "read_all"]

STDIN = "-"

_ARRAYS = ("idx3-ubyte", "idx3-ubyte.gz", ".npy")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BLOCK = 65_536


class Item(NamedTuple):
    """One picture to answer.

    Attributes:
        name: what the output calls it.
        content: an encoded file's bytes, or pixels; None = those of the file `name`.
        error: why there is nothing to read; None = there may be.
    """

    name: str
    content: bytes | Pixels | None = None
    error: str | None = None

    @property
    def source(self) -> ImageSource:
        """To be decoded."""
        return self.name if self.content is None else self.content


def read_all(
    paths: Iterable[str | None], listing: Listing, *, globs: bool = True
) -> Iterator[Item | None]:
    """The pictures that paths stand for, in the order of the paths.

    What does not exist, cannot be listed, or has no picture in it is one item that cannot be
    answered.

    Args:
        paths: of files, folders, archives (zip, tar), arrays (IDX, NumPy), globs, or ``-`` for
            one picture on stdin. None is passed on: the next path may take a while to come.
        listing: of folders and archives; counts what is passed over.
        globs: paths may be globs.

    Raises:
        UsageError: none of them stands for any picture.
    """
    empty: list[str] = []
    found = False
    for path in paths:
        if path is None:
            yield None
            continue
        count = 0
        for item in _read(path, listing, globs):
            # What was empty is one bad input among others, or nothing to do at all.
            for name in empty:
                yield _without_pictures(name, listing)
            empty, found = [], True
            count += 1
            yield item
        if count == 0:
            empty.append(path)
        if found:
            yield from (_without_pictures(name, listing) for name in empty)
            empty = []
    if not found:
        advice = "" if listing.recursive else "; --recursive looks into the folders inside a folder"
        raise UsageError(f"{', '.join(empty) or 'nothing named'}: no picture to read{advice}")


def _without_pictures(name: str, listing: Listing) -> Item:
    advice = "" if listing.recursive else "; --recursive looks into the folders inside it"
    return Item(name, error=f"{name}: no picture in it{advice}")


def count(paths: Iterable[str], *, recursive: bool) -> int | None:
    """Pictures that paths stand for; None where that takes more than listing names."""
    total = 0
    for path in paths:
        if path == STDIN or _is_container(path):
            return None
        if os.path.isdir(path):
            total += sum(1 for _ in Listing(recursive).pictures_in(path))
        elif glob.has_magic(path) and not os.path.lexists(path):
            total += sum(1 for _ in matching(path))
        else:
            total += 1
    return total


def named_in_list(file: str, separator: bytes) -> Iterator[str | None]:
    """Paths in a file, or on stdin for ``-``; None where the next is not there yet.

    Raises:
        UsageError: the list cannot be read.
    """
    try:
        descriptor = sys.stdin.fileno() if file == STDIN else os.open(file, os.O_RDONLY)
    except (OSError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "closed"
        raise UsageError(f"--files-from {file}: cannot be read ({reason.lower()})") from error
    try:
        rest = b""
        while block := os.read(descriptor, _BLOCK):
            *whole, rest = (rest + block).split(separator)
            yield from (os.fsdecode(name) for name in whole if name)
            if not _is_ready(descriptor):
                yield None
        if rest:
            yield os.fsdecode(rest)
    except OSError as error:
        raise UsageError(f"--files-from {file}: cannot be read ({error.strerror})") from error
    finally:
        if file != STDIN:
            os.close(descriptor)


def _is_ready(descriptor: int) -> bool:
    """Whether reading on would not wait; Windows can tell that of sockets alone."""
    return os.name == "nt" or bool(select.select([descriptor], [], [], 0)[0])


def _read(path: str, listing: Listing, globs: bool) -> Iterator[Item]:
    # os.path answers False where pathlib raises: for a name too long, a folder closed to us.
    if path == STDIN:
        yield Item(STDIN, _stdin())
    elif os.path.isdir(path):
        yield from map(Item, listing.pictures_in(path))
    elif globs and glob.has_magic(path) and not os.path.lexists(path):
        for match in matching(path):
            yield from _read_file(match, listing)
    else:
        yield from _read_file(path, listing)


def _read_file(path: str, listing: Listing) -> Iterator[Item]:
    if _is_container(path):
        from mnist_edge.inputs import archives as containers

        is_array = path.lower().endswith(_ARRAYS)
        read = containers.read_array if is_array else containers.read_archive
        yield from (Item(*item) for item in read(path, listing.is_wanted))
    else:
        yield Item(path)


def _is_container(path: str) -> bool:
    return path.lower().endswith(_ARRAYS + _ARCHIVES)


def _stdin() -> bytes:
    """All of it; nothing where it is closed or cannot be read."""
    try:
        return b"" if sys.stdin is None else sys.stdin.buffer.read()
    except OSError:
        return b""
