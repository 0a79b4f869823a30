"""Files that hold many pictures: zip and tar archives, IDX and NumPy arrays.

One picture at a time is in memory, or a few hundred of an array. A file that breaks off, is
damaged, or goes on after its end gives all pictures before that, and then an entry that says what
is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mnist_edge.inputs.array_files import read_idx_pictures, read_npy
from mnist_edge.inputs.members import Entry, unreadable
from mnist_edge.inputs.tar import read_tar
from mnist_edge.inputs.zip import read_zip

__all__ = ["read_archive", "read_array"]


def read_archive(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in a zip or tar archive, in its order; names are ``ARCHIVE/MEMBER``.

    Args:
        path: of the archive, compressed or not.
        is_wanted: whether a file of that name is taken.
    """
    read = read_zip if path.lower().endswith(".zip") else read_tar
    yield from _until_damage(path, read(path, is_wanted))


def read_array(path: str, _: Callable[[str], bool]) -> Iterator[Entry]:
    """The pictures in an IDX or ``.npy`` file; names are ``FILE[INDEX]``."""
    read = read_npy if path.lower().endswith(".npy") else read_idx_pictures
    yield from _until_damage(path, read(path))


def _until_damage(path: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    try:
        yield from entries
    except Exception as error:
        # Parsers fed arbitrary bytes trip over them in arbitrary ways (IndexError, RecursionError,
        # TokenError, LZMAError, ...): none documents a closed list.
        yield unreadable(path, error)
