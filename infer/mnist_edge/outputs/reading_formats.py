"""Readings -> the text of a table, of JSON, JSON Lines or CSV: a row for each picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mnist_edge.errors import one_line
from mnist_edge.outputs.formats import Format, TextDocument, csv_text, percent
from mnist_edge.reader import Reading

__all__ = ["CSV_COLUMNS", "ReadingFormatter"]

CSV_COLUMNS = ["path", "text", "confidence", "numbers", "confidences", "boxes", "error"]
"""``numbers``, ``confidences`` and ``boxes`` hold a value for each number, separated by ``;``; the
four edges of a box are separated by spaces."""

_WIDEST = 20
"""Characters of a text that a table makes room for; a longer one pushes the rest to the right."""


@dataclass(frozen=True)
class ReadingFormatter(TextDocument[Reading]):
    """Formats readings.

    Attributes:
        kind: of the document.
        for_terminal: a person reads it: CSV escapes what would steer the terminal.
    """

    for_terminal: bool = False

    @property
    def columns(self) -> list[str]:
        """As in `TextDocument`."""
        return CSV_COLUMNS

    def _title(self) -> str:
        return _table_row("number", "confidence", "image")

    def rows(self, results: Sequence[Reading]) -> str:
        """Text of some readings."""
        if self.kind is Format.TABLE:
            return "".join(map(_table, results))
        if self.kind is Format.CSV:
            return csv_text(map(self._csv, results))
        rows = [json.dumps(reading.to_dict()) for reading in results]
        return ",\n".join(rows) if self.kind is Format.JSON else "".join(f"{row}\n" for row in rows)

    def _csv(self, reading: Reading) -> list[object]:
        fields = reading.to_dict()
        numbers: list[dict[str, Any]] = fields["numbers"]
        cells: list[object] = [
            reading.path,
            reading.text,
            fields["confidence"],
            ";".join(number["text"] for number in numbers),
            ";".join(str(number["confidence"]) for number in numbers),
            ";".join(" ".join(map(str, number["box"])) for number in numbers),
            reading.error,
        ]
        if self.for_terminal:
            # Only names and errors can hold anything; the line feed between two rows may stay.
            return [
                one_line(cell) if isinstance(cell, str) and cell != reading.text else cell
                for cell in cells
            ]
        return cells


def _table(reading: Reading) -> str:
    return _table_row(
        "-" if reading.text is None else reading.text.replace("\n", " / "),
        "-" if reading.confidence is None else percent(reading.confidence),
        one_line(reading.error or reading.path or "-"),
    )


def _table_row(text: str, confidence: str, image: str) -> str:
    """A row of fixed columns, the path last, so that it can be written before all are known."""
    return f"{text:>{_WIDEST}}  {confidence:>10}  {image}\n"
