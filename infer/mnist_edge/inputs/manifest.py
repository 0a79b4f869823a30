"""Names of pictures in a table: a column of a CSV or Parquet file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from mnist_edge.errors import UsageError
from mnist_edge.inputs.columns import NAMES, import_pyarrow, pick_column

__all__ = ["names_in_table"]

_BATCH = 1_000
"""Names that are read at a time."""


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
    pyarrow = import_pyarrow(f"--files-from {file}")
    from pyarrow import parquet

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


def _column_of(file: str, columns: list[str], column: str | None) -> str:
    try:
        return pick_column(columns, columns, column, NAMES, "names")
    except ValueError as error:
        raise UsageError(f"--files-from {file}: {error}") from error


def _unreadable(file: str, reason: str) -> UsageError:
    first = (reason.splitlines() or [""])[0].rstrip(".")
    return UsageError(f"--files-from {file}: cannot be read ({first[:1].lower()}{first[1:]})")
