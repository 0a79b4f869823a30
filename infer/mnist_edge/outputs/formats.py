"""Predictions -> the text of a table, of JSON, JSON Lines or CSV.

Parquet, which is no text, is in `mnist_edge.outputs.arrow_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from mnist_edge.classifier import Prediction
from mnist_edge.errors import UsageError, one_line
from mnist_edge.inputs.columns import import_pyarrow
from mnist_edge.outputs.fast_json import json_row, number_text, probability_texts
from mnist_edge.types import DIGITS

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "Answer",
    "ArrowDocument",
    "Document",
    "Format",
    "Formatter",
    "Rows",
    "StoredRow",
    "TextDocument",
    "csv_text",
    "parse_format",
    "percent",
]

Answer: TypeAlias = int | str | None
"""What a row says of a picture: the index of a class, or the text of its numbers; None = an error.
"""

Rows: TypeAlias = "str | pyarrow.RecordBatch"
"""Results of several pictures, formatted."""

StoredRow: TypeAlias = tuple[str, Answer, float | None, str | None]
"""Path, answer, confidence and error of a row."""

R = TypeVar("R")


class Format(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def is_resumable(self) -> bool:
        """Whether the rows that were written say which pictures are still to be predicted."""
        return self in (Format.JSONL, Format.CSV, Format.PARQUET)


def parse_format(name: str) -> Format:
    """Parses the name of a format; raises UsageError where there is none of that name."""
    try:
        return Format(name)
    except ValueError as error:
        known = ", ".join(Format)
        raise UsageError(f"--format {name}: unknown; choose one of {known}") from error


@dataclass(frozen=True)
class TextDocument(Generic[R]):
    """Formats results: `header`, then `rows` after `separator` any number of times, `footer`.

    Attributes:
        kind: of the document.
    """

    kind: Format

    def path_text(self, path: str) -> str:
        """What a row holds for the path of its picture; JSON and CSV hold any."""
        return path

    @property
    def columns(self) -> list[str]:
        """Names of the columns of CSV."""
        raise NotImplementedError

    @property
    def header(self) -> str:
        """Text before the first row."""
        if self.kind is Format.JSON:
            return "["
        if self.kind is Format.CSV:
            return ",".join(self.columns) + "\n"
        return self._title() if self.kind is Format.TABLE else ""

    def _title(self) -> str:
        """The first line of a table."""
        raise NotImplementedError

    def separator(self, *, is_first: bool) -> str:
        """Text before some rows; `is_first`: there is no row before them."""
        if self.kind is not Format.JSON:
            return ""
        return "\n" if is_first else ",\n"

    @property
    def footer(self) -> str:
        """Text after the last row."""
        return "\n]\n" if self.kind is Format.JSON else ""

    def rows(self, results: Sequence[R]) -> str:
        """Text of some results."""
        raise NotImplementedError


class ArrowDocument(Generic[R]):
    """Formats results as rows of Arrow, for Parquet.

    Attributes:
        kind: of the document.
        schema: `pyarrow.Schema` of its columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    kind = Format.PARQUET

    def __init__(self, fields: Sequence[tuple[str, pyarrow.DataType]]) -> None:
        self.schema = import_pyarrow("--format parquet").schema(fields)

    def path_text(self, path: str) -> str:
        """As in `TextDocument`; Arrow's text is UTF-8, so other bytes are escaped."""
        return path.encode("utf-8", "backslashreplace").decode("utf-8")

    def carried_name(self, name: str) -> str:
        """What another column of the pictures' table is called: not like one of ours."""
        return f"input_{name}" if name in self.schema.names else name

    def rows(self, results: Sequence[R]) -> pyarrow.RecordBatch:
        """Some results."""
        raise NotImplementedError

    def stored(
        self, batch: pyarrow.RecordBatch, min_confidence: float | None
    ) -> Iterator[StoredRow]:
        """What rows say that were written.

        Args:
            batch: of rows.
            min_confidence: rejection threshold that they must agree with; None = any.

        Raises:
            ValueError: a row is not one that `rows` makes.
        """
        raise NotImplementedError


Document: TypeAlias = TextDocument[R] | ArrowDocument[R]
"""How results are written."""


@dataclass(frozen=True)
class Formatter(TextDocument[Prediction]):
    """Formats predictions.

    Attributes:
        kind: of the document.
        top_k: classes to list for each picture; above 1 adds a column, or a ``top`` field.
        labels: names of the model's classes; others than the ten digits add a ``label``.
        for_terminal: a person reads it: CSV escapes what would steer the terminal, as tables always
            do, and JSON by itself. Elsewhere CSV keeps every byte of a name.
        is_named: the classes have names other than the ten digits.

    Raises:
        UsageError: the model has fewer classes than are to be listed.
    """

    top_k: int = 1
    labels: tuple[str, ...] = DIGITS
    for_terminal: bool = False
    is_named: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_named", self.labels != DIGITS)
        if self.top_k > len(self.labels):
            raise UsageError(
                f"--top-k {self.top_k}: the model has {len(self.labels)} classes; list no more"
            )

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns of CSV."""
        probabilities = [f"probability_{digit}" for digit in range(len(self.labels))]
        top = ["top"] if self.top_k > 1 else []
        label = ["label"] if self.is_named else []
        return ["path", "digit", "confidence", *probabilities, "error", *top, *label]

    def _title(self) -> str:
        title = "class" if self.is_named else "digit"
        return self._table_row(title, "confidence", "next best", "image")

    def rows(self, results: Sequence[Prediction]) -> str:
        """Text of some predictions."""
        if self.kind is Format.TABLE:
            return "".join(map(self._table, results))
        texts = zip(results, probability_texts(results), strict=True)
        if self.kind is Format.CSV:
            return csv_text(self._csv(*row) for row in texts)
        rows = (json_row(*row, self._more_fields(row[0])) for row in texts)
        return ",\n".join(rows) if self.kind is Format.JSON else "".join(f"{row}\n" for row in rows)

    def _more_fields(self, prediction: Prediction) -> dict[str, object]:
        """Fields of JSON that depend on the options and on the model."""
        more: dict[str, object] = {}
        if self.top_k > 1:
            more["top"] = [
                {
                    "digit": digit,
                    "probability": round(probability, 6),
                    **({"label": self.labels[digit]} if self.is_named else {}),
                }
                for digit, probability in prediction.top(self.top_k)
            ]
        if self.is_named:
            more["label"] = prediction.label
        return more

    def _csv(self, prediction: Prediction, probabilities: list[str] | None) -> list[object]:
        top = [" ".join(str(d) for d, _ in prediction.top(self.top_k))] if self.top_k > 1 else []
        confidence = prediction.confidence
        cells: list[object] = [
            prediction.path,
            prediction.digit,
            None if confidence is None else number_text(confidence),
            *(probabilities or [""] * len(self.labels)),
            prediction.error,
            *top,
            *([prediction.label] if self.is_named else []),
        ]
        if self.for_terminal:
            return [one_line(cell) if isinstance(cell, str) else cell for cell in cells]
        return cells

    def _table(self, prediction: Prediction) -> str:
        next_best = prediction.top(self.top_k)[1:] if self.top_k > 1 else ()
        others = "  ".join(f"{self.labels[digit]} {percent(value)}" for digit, value in next_best)
        return self._table_row(
            prediction.label or "-",
            "-" if prediction.confidence is None else percent(prediction.confidence),
            others,
            one_line(prediction.error or prediction.path or "-"),
        )

    def _table_row(self, label: str, confidence: str, others: str, image: str) -> str:
        """A row of fixed columns, the path last, so that it can be written before all are known."""
        longest = max(map(len, self.labels))
        next_best = f"{others:<{(longest + 9) * (self.top_k - 1)}}  " if self.top_k > 1 else ""
        return f"{label:>{max(5, longest)}}  {confidence:>10}  {next_best}{image}\n"


class _Rows(list[str]):
    """What the CSV writer writes to, row by row.

    Only with this line end does it quote a name with a carriage return in it, which readers would
    take for the end of the row.
    """

    line_end = "\r\n"

    def write(self, row: str) -> None:
        self.append(row.removesuffix(self.line_end) + "\n")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells as CSV whose lines end with a line feed."""
    import csv

    lines = _Rows()
    csv.writer(lines, lineterminator=_Rows.line_end).writerows(rows)
    return "".join(lines)


def percent(probability: float) -> str:
    """A percentage, rounded down: 99.97 % must not be shown as 100 %."""
    return f"{math.floor(probability * 1000) / 10:.1f} %"
