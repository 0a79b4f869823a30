"""Files that hold many pictures: zip and tar archives, IDX and NumPy arrays, Parquet tables.

One picture at a time is in memory, or a few hundred of an array. A file that breaks off, is
damaged, or goes on after its end gives all pictures before that, and then an entry that says what
is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from mnist_edge.errors import ImageReadError, MissingExtraError
from mnist_edge.inputs.array_files import read_idx_pictures, read_npy
from mnist_edge.inputs.members import Entry, unreadable
from mnist_edge.inputs.names import is_url
from mnist_edge.inputs.tar import read_tar
from mnist_edge.inputs.zip import read_zip

if TYPE_CHECKING:
    from mnist_edge.inputs.parquet import RowEntry

__all__ = ["read_archive", "read_array", "read_table"]

E = TypeVar("E")


def read_archive(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in a zip or tar archive, in its order; names are ``ARCHIVE/MEMBER``.

    Args:
        path: of the archive, compressed or not; of a tar also a URL.
        is_wanted: whether a file of that name is taken.
    """
    is_zip = path.lower().endswith(".zip")
    entries = (
        _from_disk_alone(path, read_zip(path, is_wanted)) if is_zip else read_tar(path, is_wanted)
    )
    yield from _until_damage(path, entries)


def read_array(path: str, _: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in an IDX or ``.npy`` file; names are ``FILE[INDEX]``. IDX may be a URL."""
    is_npy = path.lower().endswith(".npy")
    entries = _from_disk_alone(path, read_npy(path)) if is_npy else read_idx_pictures(path)
    yield from _until_damage(path, entries)


def read_table(path: str, column: str | None, with_others: bool) -> Iterator[Entry | RowEntry]:
    """The pictures in a Parquet file; see `mnist_edge.inputs.parquet`.

    Args:
        path: of the file, or its URL.
        column: that has the pictures; None = it is found.
        with_others: read the other columns too.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    yield from _until_damage(path, _rows_of(path, column, with_others))


def _rows_of(path: str, column: str | None, with_others: bool) -> Iterator[RowEntry]:
    from mnist_edge.inputs.parquet import read_parquet

    if not is_url(path):
        yield from read_parquet(path, path, column, with_others=with_others)
        return
    from mnist_edge.inputs.urls import errors_in_words, open_seekable

    with errors_in_words(), open_seekable(path) as file:
        yield from read_parquet(path, file, column, with_others=with_others)


def _from_disk_alone(path: str, entries: Iterator[E]) -> Iterator[E]:
    if is_url(path):
        raise ImageReadError("cannot be read by its URL; a tar or Parquet file can, or fetch it")
    yield from entries


def _until_damage(path: str, entries: Iterator[E]) -> Iterator[E | Entry]:
    try:
        yield from entries
    except MissingExtraError:
        raise
    except Exception as error:
        # Parsers fed arbitrary bytes trip over them in arbitrary ways (IndexError, RecursionError,
        # TokenError, LZMAError, ...): none documents a closed list.
        yield unreadable(path, error)
