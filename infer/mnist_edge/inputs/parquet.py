"""Parquet files of pictures -> the pictures, a few of them in memory.

A column holds the pictures: their bytes, or ``{bytes, path}`` as Hugging Face's datasets have it,
or names of files. The other columns go along (`TableRow`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.columns import import_pyarrow, pick_pictures, unwrapped
from mnist_edge.inputs.limits import LARGEST_FILE
from mnist_edge.inputs.members import Entry, TableRow, too_large
from mnist_edge.types import Pixels

__all__ = ["RowEntry", "read_parquet"]

RowEntry: TypeAlias = tuple[str, bytes | Pixels | None, str | None, TableRow | None]
"""An `Entry`, and the row that it is of."""

_MOST_ROWS, _MOST_BYTES = 1_000, 4 << 20
"""Rows, and bytes of their columns on the average, that are read at once."""

_BUFFER = 1 << 20
"""Bytes of a column that are read at once."""

_FREE, _RATIO = 256 << 20, 200
"""A row group may unpack to so many bytes, or to so many times its size if that is more."""


def read_parquet(
    path: str, file: Any, column: str | None, *, with_others: bool
) -> Iterator[RowEntry]:
    """The pictures in a Parquet file, in its order.

    Their names are ``FILE/PATH`` where a row has a path beside its bytes, and ``FILE[INDEX]``
    elsewhere. Names of files stay as they are, and the pictures are those of these files.

    Args:
        path: of the Parquet file, for names and messages.
        file: what `pyarrow.parquet.ParquetFile` opens: the path, or an open file.
        column: that has the pictures; None = it is found by its name and type.
        with_others: read the other columns too.

    Raises:
        MissingExtraError: pyarrow is not installed.
        Exception: of any class, where the file is damaged, cannot be read, or has no such column.
    """
    pyarrow = import_pyarrow(path)
    from pyarrow import parquet

    with parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as table:
        schema = table.schema_arrow
        try:
            name = _pictures_in(schema, column, pyarrow.types)
        except ValueError as error:
            raise ImageReadError(str(error)) from error
        columns = None if with_others else [name]
        batches = table.iter_batches(
            _rows_at_once(table.metadata), columns=columns, use_threads=False
        )
        start = 0
        for batch in batches:
            others = _others(batch, name, pyarrow) if with_others else None
            entries = _entries(path, batch.column(name), start)
            for number, entry in enumerate(entries):
                yield *entry, None if others is None else TableRow(others, number)
            start += batch.num_rows
            del batch, others, entries  # the next rows are read once these are gone


def _pictures_in(schema: Any, column: str | None, types: Any) -> str:
    """The column to read: one of pictures, or else one of names."""
    pictures = [field.name for field in schema if _holds_pictures(field.type, types)]
    names = [field.name for field in schema if _holds_text(field.type, types)]
    return pick_pictures(schema.names, pictures, names, column)


def _holds_pictures(kind: Any, types: Any) -> bool:
    if types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        if "bytes" not in fields:
            return False
        # Where every picture is a file elsewhere, none has bytes.
        return types.is_null(fields["bytes"]) or _holds_bytes(fields["bytes"], types)
    return _holds_bytes(kind, types)


def _holds_bytes(kind: Any, types: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _holds_text(kind: Any, types: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _rows_at_once(metadata: Any) -> int:
    """Rows to read at once, by their average size.

    Raises:
        ImageReadError: a row group is a decompression bomb.
    """
    largest = 1
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        packed = sum(
            group.column(column).total_compressed_size for column in range(group.num_columns)
        )
        if group.total_byte_size > max(_FREE, _RATIO * packed):
            raise ImageReadError(
                f"unpacks to more than {_RATIO} times its size, which is not safe to read"
            )
        largest = max(largest, group.total_byte_size // max(1, group.num_rows))
    return max(1, min(_MOST_ROWS, _MOST_BYTES // largest))


def _others(batch: Any, name: str, pyarrow: Any) -> Any:
    """The other columns of some rows, without what only Arrow's streams would have to repeat."""
    columns = {
        field.name: column.cast(field.type.value_type)
        if pyarrow.types.is_dictionary(field.type)
        else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if field.name != name
    }
    if not columns:
        return None
    return pyarrow.RecordBatch.from_arrays([*columns.values()], [*columns])


def _entries(path: str, column: Any, start: int) -> Iterator[Entry]:
    for index, value in enumerate(column, start):
        yield _entry(path, f"{path}[{index}]", value.as_py())


def _entry(path: str, name: str, value: Any) -> Entry:
    value, inner = unwrapped(value)
    name = f"{path}/{inner}" if inner else name
    if isinstance(value, str) and value:
        return value, None, None
    if not isinstance(value, bytes):
        return name, None, f"{name}: no picture in this row"
    if len(value) > LARGEST_FILE:
        return too_large(name, len(value))
    return name, value, None
