"""Rows of Arrow -> a partial file that survives being killed, and then a Parquet file.

A Parquet file can be read once its end is written. So the partial file is a stream of Arrow's IPC
format: a schema, and a message for every few rows. What follows the last whole message is lost, as
what follows the last whole line of a text is.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from mnist_edge.errors import UsageError
from mnist_edge.inputs.columns import import_pyarrow
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs.completed_rows import CompletedRow
from mnist_edge.outputs.interrupts import whole_rows

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.outputs.formats import ArrowDocument

__all__ = [
    "ArrowWriter",
    "completed_in_parquet",
    "completed_in_stream",
    "schema_of_stream",
    "write_parquet",
]

_GROUP_ROWS, _GROUP_BYTES = 8_192, 64 << 20
"""Rows of a row group of the Parquet file, fewer where they have more bytes: all are in memory."""


class ArrowWriter:
    """Writes rows, with the other columns of the tables that their pictures came from.

    Args:
        file: to write to.
        path: of the output, for messages.
        document: of the rows.
        completed: the rows that are there already; the last of them ends where `file` does.
        schema: of these.
        columns: of the tables, `pyarrow.Schema`; None = there are none.

    Attributes:
        completed: to be read before the first row is written; what is not, is skipped.
    """

    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        document: ArrowDocument[Any],
        completed: Iterator[CompletedRow],
        schema: Any,
        columns: Any,
    ) -> None:
        self._file = file
        self._path = path
        self._document = document
        self._schema = schema
        self._others = columns or ()
        self._is_begun = False
        self.completed = completed

    def write(self, rows: Any, items: Sequence[Item] = ()) -> None:
        """Writes a `pyarrow.RecordBatch`, and what its pictures' rows have besides.

        Raises:
            UsageError: a column has another type than in the table before.
        """
        pyarrow = import_pyarrow("--format parquet")
        tables = _runs(items)
        self._begin()
        carried = [*self._schema][len(self._document.schema) :]
        pieces = [self._column(field, tables) for field in carried]
        batch = pyarrow.RecordBatch.from_arrays([*rows.columns, *pieces], schema=self._schema)
        with whole_rows():
            self._file.write(batch.serialize())
            self._file.flush()

    def finish(self) -> None:
        """Writes the schema, where there was no row."""
        self._begin()

    def _begin(self) -> None:
        """Before the first row, decides which columns there are."""
        for _ in self.completed:
            pass
        if self._is_begun:
            return
        self._is_begun = True
        if os.fstat(self._file.fileno()).st_size:
            return
        pyarrow = import_pyarrow("--format parquet")
        carried = [
            pyarrow.field(self._document.carried_name(field.name), field.type)
            for field in self._others
        ]
        self._schema = pyarrow.schema([*self._document.schema, *carried])
        self._file.write(self._schema.serialize())

    def _column(self, field: Any, tables: Sequence[tuple[Any, list[int]]]) -> Any:
        """A column of the inputs; null where an input lacks it."""
        pyarrow = import_pyarrow("--format parquet")
        pieces = []
        for batch, indices in tables:
            names = [] if batch is None else batch.schema.names
            found = [name for name in names if self._document.carried_name(name) == field.name]
            if not found:
                pieces.append(pyarrow.nulls(len(indices), field.type))
                continue
            name, column = found[0], batch.column(found[0])
            if column.type != field.type:
                raise UsageError(
                    f"--output {self._path}: column {name!r} is {field.type} in the first input, "
                    f"and {column.type} in another; write them to two files"
                )
            pieces.append(column.take(pyarrow.array(indices)))
        return pyarrow.concat_arrays(pieces) if pieces else pyarrow.nulls(0, field.type)


def _runs(items: Sequence[Item]) -> list[tuple[Any, list[int]]]:
    """Rows of one batch after the other: the batch, None for other pictures; and which rows."""
    runs: list[tuple[Any, list[int]]] = []
    for _, group in itertools.groupby(items, lambda item: item.row and id(item.row.batch)):
        rows = [item.row for item in group]
        first = rows[0]
        runs.append(
            (
                None if first is None else first.batch,
                [0 if row is None else row.number for row in rows],
            )
        )
    return runs


def schema_of_stream(path: Path, document: ArrowDocument[Any]) -> Any:
    """The schema of a partial file.

    Raises:
        UsageError: it is of another command.
    """
    pyarrow = import_pyarrow("--format parquet")
    try:
        with pyarrow.OSFile(os.fspath(path)) as file:
            schema = pyarrow.ipc.open_stream(file).schema
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise _foreign(path) from error
    _check_schema(path, schema, document)
    return schema


def completed_in_stream(
    path: Path, document: ArrowDocument[Any], min_confidence: float | None
) -> Iterator[CompletedRow]:
    """The rows of a partial file.

    Raises:
        UsageError: one is not what this command writes.
    """
    pyarrow = import_pyarrow("--format parquet")
    with pyarrow.OSFile(os.fspath(path)) as file:
        reader = pyarrow.ipc.open_stream(file)
        while True:
            try:
                batch = reader.read_next_batch()
            except (OSError, StopIteration, pyarrow.ArrowInvalid):
                return
            yield from _completed(path, batch, document, min_confidence, file.tell())


def completed_in_parquet(
    path: Path, document: ArrowDocument[Any], min_confidence: float | None
) -> Iterator[CompletedRow]:
    """The rows of a complete file.

    Raises:
        UsageError: it is of another command.
    """
    pyarrow = import_pyarrow("--format parquet")
    from pyarrow import parquet

    end = path.stat().st_size
    try:
        with parquet.ParquetFile(path) as table:
            _check_schema(path, table.schema_arrow, document)
            for batch in table.iter_batches(columns=document.schema.names, use_threads=False):
                yield from _completed(path, batch, document, min_confidence, end)
    except (OSError, pyarrow.ArrowException) as error:
        raise _foreign(path) from error


def _completed(
    path: Path, batch: Any, document: ArrowDocument[Any], min_confidence: float | None, end: int
) -> Iterator[CompletedRow]:
    pyarrow = import_pyarrow("--format parquet")
    try:
        batch.validate(full=True)
        for row in document.stored(batch, min_confidence):
            yield CompletedRow(*row, end)
    except (ValueError, TypeError, KeyError, pyarrow.ArrowInvalid) as error:
        raise _foreign(path) from error


def _check_schema(path: Path, schema: Any, document: ArrowDocument[Any]) -> None:
    ours = document.schema
    if [*schema][: len(ours)] != [*ours]:
        raise _foreign(path)


def _foreign(path: Path) -> UsageError:
    return UsageError(f"{path}: not what this command writes; delete it, or leave out --resume")


def write_parquet(stream: Path, target: Path) -> None:
    """Writes the rows of a partial file as Parquet, some thousands of them in memory."""
    pyarrow = import_pyarrow("--format parquet")
    from pyarrow import parquet

    with (
        pyarrow.OSFile(os.fspath(stream)) as file,
        pyarrow.ipc.open_stream(file) as reader,
        target.open("wb") as output,
    ):
        with parquet.ParquetWriter(output, reader.schema) as writer:
            for group in _groups(reader):
                writer.write_table(group)
        output.flush()
        os.fsync(output.fileno())


def _groups(batches: Iterable[Any]) -> Iterator[Any]:
    """Tables of the same number of rows, however few of them each batch has."""
    pyarrow = import_pyarrow("--format parquet")
    pending: list[Any] = []
    rows = size = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            table = pyarrow.Table.from_batches(pending)
            yield table.slice(0, _GROUP_ROWS).combine_chunks()
            rest = table.slice(_GROUP_ROWS)
            pending, rows, size = rest.to_batches(), rest.num_rows, rest.nbytes
    if pending:
        yield pyarrow.Table.from_batches(pending).combine_chunks()
