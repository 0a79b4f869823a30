"""Names of pictures in a table: a column of a CSV or Parquet file."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from mnist_edge.errors import MissingExtraError, UsageError

__all__ = ["names_in_table"]

_USUAL = ("path", "file", "file_name", "filename", "image", "name")
"""Names that the column has where none is given."""

_BATCH = 1_000
"""Names that are read at a time."""

_MOST_SHOWN = 8
"""Columns that a message lists."""


def names_in_table(file: str, column: str | None) -> Iterator[list[str]]:
    """Paths in one column of a table, in its order; empty ones are skipped.

    Args:
        file: CSV or Parquet, by its suffix.
        column: its name; None = the first of those that are usual, or the only one.

    Raises:
        UsageError: the file cannot be read, is damaged, or has no such column of names.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    is_csv = file.lower().endswith(".csv")
    return _names_in_csv(file, column) if is_csv else _names_in_parquet(file, column)


def _names_in_csv(file: str, column: str | None) -> Iterator[list[str]]:
    try:
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = next(rows, [])
            place = header.index(_column_of(file, header, column))
            names: list[str] = []
            for row in rows:
                if row and len(row) != len(header):
                    raise UsageError(
                        f"--files-from {file}: line {rows.line_num} has {len(row)} fields, and "
                        f"the first line {len(header)}"
                    )
                if row and row[place]:
                    names.append(row[place])
                if len(names) == _BATCH:
                    yield names
                    names = []
            yield names
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    except csv.Error as error:
        raise _unreadable(file, str(error)) from error


def _names_in_parquet(file: str, column: str | None) -> Iterator[list[str]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            f"--files-from {file}: Parquet needs pyarrow; install it: "
            "pip install 'mnist-edge[arrow]'"
        ) from error
    try:
        with parquet.ParquetFile(file) as table:
            schema = table.schema_arrow
            name = _column_of(file, schema.names, column)
            kind: Any = schema.field(name).type
            if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
                raise UsageError(f"--files-from {file}: column {name!r} holds {kind}, not names")
            for batch in table.iter_batches(_BATCH, columns=[name]):
                yield [text for text in batch.column(0).to_pylist() if text]
    except OSError as error:  # pyarrow's own errors of damaged files are some too
        raise _unreadable(file, error.strerror or str(error)) from error
    except pyarrow.ArrowException as error:
        raise _unreadable(file, str(error)) from error


def _column_of(file: str, names: Sequence[str], column: str | None) -> str:
    if column is None:
        usual = [name for name in _USUAL if name in names] or (names if len(names) == 1 else [])
        if usual:
            return usual[0]
    elif column in names:
        return column
    near = difflib.get_close_matches(column or "", names, n=1)
    shown = ", ".join(map(repr, names[:_MOST_SHOWN])) or "none"
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    hint = f"did you mean {near[0]!r}? " if near else ""
    asked = "which column has the names? --column NAME" if column is None else f"--column {column}"
    wrong = "" if column is None else ": there is no such column"
    raise UsageError(f"--files-from {file}: {asked}{wrong}; {hint}the columns are {shown}{more}")


def _unreadable(file: str, reason: str) -> UsageError:
    first = (reason.splitlines() or [""])[0].rstrip(".")
    return UsageError(f"--files-from {file}: cannot be read ({first[:1].lower()}{first[1:]})")
