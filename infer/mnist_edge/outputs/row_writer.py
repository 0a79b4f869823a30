"""What rows are written through, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from mnist_edge.outputs.formats import TextDocument
from mnist_edge.outputs.interrupts import whole_rows

if TYPE_CHECKING:
    from mnist_edge.inputs.sources import Item
    from mnist_edge.outputs.completed_rows import CompletedRow

__all__ = ["RowWriter", "TextWriter"]


class RowWriter(Protocol):
    """Writes rows, without delay, and never a part of a row.

    Attributes:
        completed: the rows that are there already, to be read before the first row is written;
            what is not, is skipped.
    """

    completed: Iterator[CompletedRow]

    def write(self, rows: Any, items: Sequence[Item] = ()) -> None:
        """Writes the rows of some pictures."""


class TextWriter:
    """A `RowWriter` of text, and what stands between them.

    Args:
        file: to write to.
        formatter: of the rows.
        completed: the rows that are there already.

    Attributes:
        completed: to be read before the first row is written; what is not, is skipped.
    """

    def __init__(
        self,
        file: TextIO,
        formatter: TextDocument[Any],
        completed: Iterator[CompletedRow] | None = None,
    ) -> None:
        self._file = file
        self._formatter = formatter
        self._is_first = True
        self.completed = iter(()) if completed is None else completed

    def write(self, rows: str, items: Sequence[Item] = ()) -> None:  # noqa: ARG002 - as in `RowWriter`
        """Writes the text of one row or more."""
        for _ in self.completed:
            pass
        with whole_rows():
            self._file.write(self._formatter.separator(is_first=self._is_first) + rows)
            self._file.flush()
            self._is_first = False
