"""Which column of a table has the pictures, or their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_edge.errors import MissingExtraError

__all__ = ["NAMES", "import_pyarrow", "pick_column", "pick_pictures", "unwrapped"]

NAMES = ("path", "file", "file_name", "filename", "image", "name")
"""Columns that usually hold names of files."""

_PICTURES = ("image", "img", "picture", "photo", "bytes", "content", "data")
"""Columns that usually hold pictures."""

_MOST_SHOWN = 8
"""Columns that a message lists."""


def import_pyarrow(needed_by: str) -> Any:
    """Imports pyarrow, which not every installation has.

    Args:
        needed_by: what the message begins with.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(
            f"{needed_by}: needs pyarrow; install it: pip install 'mnist-edge[arrow]'"
        ) from error
    return pyarrow


def pick_column(
    columns: Sequence[str],
    usable: Sequence[str],
    asked: str | None,
    usual: Sequence[str],
    what: str,
) -> str:
    """Picks a column of a table.

    Args:
        columns: names of all of them.
        usable: those that hold what is looked for.
        asked: the name that was asked for; None = the first of the `usual` ones that is usable, or
            the only one that is.
        usual: names that it usually has.
        what: it holds.

    Raises:
        ValueError: there is no such column, or it is not known which; says which there are.
    """
    if asked is None:
        found = [name for name in usual if name in usable] or (usable if len(usable) == 1 else [])
        if found:
            return found[0]
    elif asked in usable:
        return asked
    shown = ", ".join(map(repr, columns[:_MOST_SHOWN])) or "none"
    more = ", ..." if len(columns) > _MOST_SHOWN else ""
    listed = f"the columns are {shown}{more}"
    if asked is None:
        raise ValueError(f"which column has the {what}? --column NAME; {listed}")
    if asked in columns:
        raise ValueError(f"--column {asked}: holds no {what}; {listed}")
    import difflib  # not at the start of a command that reads no table

    near = difflib.get_close_matches(asked, columns, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"--column {asked}: there is no such column; {hint}{listed}")


def pick_pictures(
    columns: Sequence[str], pictures: Sequence[str], names: Sequence[str], asked: str | None
) -> str:
    """Picks the column of the pictures; where none holds any, of their names.

    Args:
        columns: names of all of them.
        pictures: those that hold pictures.
        names: those that hold text, which may be names of files.
        asked: as in `pick_column`.

    Raises:
        ValueError: as there.
    """
    if asked is None and pictures:
        return pick_column(columns, pictures, None, _PICTURES, "pictures")
    usable = names if asked is None else [*pictures, *names]
    return pick_column(columns, usable, asked, NAMES, "pictures, nor names of files")


def unwrapped(value: Any) -> tuple[Any, str | None]:
    """A picture's cell, ``{bytes, path}`` or not, and the path in it; without bytes, it is that."""
    if not isinstance(value, Mapping):
        return value, None
    content, path = value.get("bytes"), value.get("path")
    path = path if isinstance(path, str) and path else None
    return (path, None) if content is None else (content, path)
