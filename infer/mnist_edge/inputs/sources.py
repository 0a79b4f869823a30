"""What a command line names -> batches of pictures to decode.

Files, folders, globs, URLs, stdin, lists of names, archives, arrays and tables all become `Item`s,
in the same order every time; none is opened before its turn, none is kept after it.
"""

from __future__ import annotations

import glob
import itertools
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mnist_edge.errors import ImageError, ImageReadError, UsageError
from mnist_edge.inputs.names import is_url, local_path
from mnist_edge.inputs.walk import FolderWalk, matching

if TYPE_CHECKING:
    from mnist_edge.inputs.members import TableRow
    from mnist_edge.types import ImageSource, Pixels

__all__ = ["STDIN", "Item", "Tables", "count", "is_table", "names_in_list", "read_batches"]

STDIN = "-"
"""The path that stands for one picture on standard input."""

_ARRAYS = ("idx3-ubyte", "idx3-ubyte.gz", ".npy")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_TABLES = (".parquet",)
_BLOCK = 65_536
_LONGEST_NAME = 65_536
"""Bytes of a name in a list; no system has names a tenth as long."""

_LARGEST_BATCH, _LARGEST_CONTENT = 128, 1 << 22
"""Pictures of a batch at most; bytes of those that are in memory, one picture apart."""


class Item(NamedTuple):
    """One picture to predict.

    Attributes:
        name: what the output calls it.
        content: an encoded file's bytes, or pixels; None = those of the file `name`.
        error: why there is nothing to decode; None = there may be something.
        row: the rest of its row in a table.
    """

    name: str
    content: bytes | Pixels | None = None
    error: str | None = None
    row: TableRow | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        size = len(self.name) + len(self.error or "")
        if isinstance(self.content, bytes):
            return size + len(self.content)
        return size + (0 if self.content is None else self.content.nbytes)

    @property
    def source(self) -> ImageSource | ImageError:
        """What to decode."""
        if self.error is not None:
            return ImageReadError(self.error)
        return self.name if self.content is None else self.content


class Tables(NamedTuple):
    """How Parquet files are read.

    Attributes:
        column: that has the pictures, or their names; None = it is found.
        with_others: read the other columns too, for `Item.row`.
    """

    column: str | None = None
    with_others: bool = False


def read_batches(
    groups: Iterable[Sequence[str]],
    walk: FolderWalk,
    *,
    globs: bool = True,
    tables: Tables = Tables(),  # noqa: B008 - cannot be changed
) -> Iterator[list[Item]]:
    """The pictures that paths stand for, in the order of the paths.

    A path that does not exist, cannot be listed, or has no picture in it is one item with an error.

    Args:
        groups: paths of files, folders, archives (zip, tar), arrays (IDX, NumPy), tables (Parquet),
            globs, URLs, or ``-`` for one picture on stdin. An empty group says that the next may
            take a while to come.
        walk: lists folders and archives; counts the files that are skipped.
        globs: paths may be globs.
        tables: how Parquet files are read.

    Yields:
        batches; an empty one for each empty group.

    Raises:
        UsageError: no path stands for any picture.
    """
    empty: list[str] = []
    found = False
    for paths in groups:
        batch: list[Item] = []
        size = 0
        for path in paths:
            count = 0
            for item in _read(path, walk, globs, tables):
                # An empty path is one bad input among others, or nothing to do at all.
                batch += (_without_pictures(name, walk) for name in empty)
                empty, found = [], True
                count += 1
                batch.append(item)
                size += item.size
                del item  # the next picture is read once this one is gone
                if len(batch) >= _LARGEST_BATCH or size >= _LARGEST_CONTENT:
                    yield batch
                    batch, size = [], 0
            if count == 0:
                empty.append(path)
            if found:
                batch += (_without_pictures(name, walk) for name in empty)
                empty = []
        if batch or not paths:
            yield batch
    if not found:
        advice = "" if walk.recursive else "; --recursive searches the folders inside a folder"
        raise UsageError(f"{', '.join(empty) or 'nothing named'}: no picture to read{advice}")


def _without_pictures(name: str, walk: FolderWalk) -> Item:
    advice = "" if walk.recursive else "; --recursive searches the folders inside it"
    return Item(name, error=f"{name}: no picture in it{advice}")


def count(paths: Iterable[str], *, recursive: bool) -> int | None:
    """Pictures that paths stand for; None where that takes more than listing names."""
    total = 0
    for path in paths:
        if path == STDIN or is_url(path) or path.lower().endswith(_ARRAYS + _ARCHIVES + _TABLES):
            return None
        if os.path.isdir(path):
            total += sum(1 for _ in FolderWalk(recursive).pictures_in(path))
        elif glob.has_magic(path) and not os.path.lexists(path):
            total += sum(1 for _ in matching(path))
        else:
            total += 1
    return total


def is_table(file: str) -> bool:
    """Whether a list of names is a table, by its suffix; see `mnist_edge.inputs.manifest`."""
    return file.lower().endswith((".csv", ".parquet"))


def names_in_list(file: str, separator: bytes) -> Iterator[list[str]]:
    """Paths in a file, or on stdin for ``-``, as they arrive; [] while waiting for more.

    Raises:
        UsageError: the list cannot be read, or holds something else than names.
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
            if names := [os.fsdecode(name) for name in whole if name]:
                yield names
            if len(rest) > _LONGEST_NAME:
                raise UsageError(
                    f"--files-from {file}: a name longer than {_LONGEST_NAME} bytes; is this a "
                    "list of names, and are they separated as said (lines, or NUL with -0)?"
                )
            if not _is_ready(descriptor):
                yield []
        if rest:
            yield [os.fsdecode(rest)]
    except OSError as error:
        raise UsageError(f"--files-from {file}: cannot be read ({error.strerror})") from error
    finally:
        if file != STDIN:
            os.close(descriptor)


def _is_ready(descriptor: int) -> bool:
    """Whether a read would not block; Windows can only check this for sockets."""
    return os.name == "nt" or bool(select.select([descriptor], [], [], 0)[0])


def _read(path: str, walk: FolderWalk, globs: bool, tables: Tables) -> Iterator[Item]:
    # os.path returns False where pathlib raises: for a name too long, a folder closed to us.
    if path == STDIN:
        yield _stdin()
    elif is_url(path):
        yield from _read_url(path, walk, globs, tables)
    elif os.path.isdir(path):
        yield from map(Item, walk.pictures_in(path))
    elif globs and glob.has_magic(path) and not os.path.lexists(path):
        for match in matching(path):
            yield from _read_file(match, walk, tables)
    else:
        yield from _read_file(path, walk, tables)


def _read_url(url: str, walk: FolderWalk, globs: bool, tables: Tables) -> Iterator[Item]:
    from mnist_edge.inputs import urls
    from mnist_edge.inputs.columns import import_pyarrow

    if (local := local_path(url)) is not None:
        yield from _read(local, walk, False, tables)
        return
    import_pyarrow(url)
    try:
        # A file whose name says what it is, is not asked for before its turn.
        named = url.lower().endswith(_ARRAYS + _ARCHIVES + _TABLES) or walk.is_picture(url)
        is_glob = globs and glob.has_magic(url.rpartition("/")[2])
        for found in [url] if named and not is_glob else urls.expand(url, walk, globs=is_glob):
            yield from _read_file(found, walk, tables)
    except ImageReadError as error:
        yield Item(url, error=str(error))


def _read_file(path: str, walk: FolderWalk, tables: Tables) -> Iterator[Item]:
    if path.lower().endswith(_ARRAYS + _ARCHIVES + _TABLES):
        from mnist_edge.inputs import archives

        if path.lower().endswith(_TABLES):
            yield from itertools.starmap(Item, archives.read_table(path, *tables))
            return
        is_array = path.lower().endswith(_ARRAYS)
        read = archives.read_array if is_array else archives.read_archive
        yield from itertools.starmap(Item, read(path, walk.is_wanted))
    else:
        yield Item(path)


def _stdin() -> Item:
    """Reads all of stdin, within reason; empty where it is closed or cannot be read."""
    from mnist_edge.inputs.limits import LARGEST_FILE

    try:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST_FILE + 1)
    except OSError:
        content = b""
    if len(content) > LARGEST_FILE:
        most = LARGEST_FILE >> 20
        return Item(STDIN, error=f"{STDIN}: more than {most} MiB on stdin is not safe to read")
    return Item(STDIN, content)
