"""Predictions and readings -> rows of Arrow, for Parquet; and back, to resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_edge.classifier import Prediction
from mnist_edge.errors import UsageError
from mnist_edge.inputs.columns import import_pyarrow
from mnist_edge.outputs.formats import ArrowDocument, StoredRow
from mnist_edge.types import DIGITS

if TYPE_CHECKING:
    from mnist_edge.reader import Reading

__all__ = ["PredictionRows", "ReadingRows"]


class PredictionRows(ArrowDocument[Prediction]):
    """Columns ``path``, ``digit``, ``confidence``, ``probabilities`` and ``error``.

    Values are not rounded. What there is more in JSON is here too: ``top``, ``label``.

    Args:
        top_k: classes to list for each picture; above 1 adds ``top``.
        labels: names of the model's classes; others than the ten digits add ``label``.

    Raises:
        UsageError: the model has fewer classes than are to be listed.
    """

    def __init__(self, top_k: int = 1, labels: tuple[str, ...] = DIGITS) -> None:
        pyarrow = import_pyarrow("--format parquet")
        if top_k > len(labels):
            raise UsageError(f"--top-k {top_k}: the model has {len(labels)} classes; list no more")
        self._top_k, self._labels = top_k, labels
        number, text = pyarrow.float32(), pyarrow.string()
        label = [("label", text)] if labels != DIGITS else []
        entry = pyarrow.struct([("digit", pyarrow.int16()), ("probability", number), *label])
        super().__init__(
            [
                ("path", text),
                ("digit", pyarrow.int16()),
                ("confidence", number),
                ("probabilities", pyarrow.list_(number)),
                ("error", text),
                *([("top", pyarrow.list_(entry))] if top_k > 1 else []),
                *label,
            ]
        )

    def rows(self, results: Sequence[Prediction]) -> Any:
        """Some predictions, as a `pyarrow.RecordBatch`."""
        columns: dict[str, Any] = {
            "path": [_text(result.path, self) for result in results],
            "digit": [result.digit for result in results],
            "confidence": [result.confidence for result in results],
            "probabilities": _lists([result.probabilities for result in results]),
            "error": [_text(result.error, self) for result in results],
            "top": [self._top(result) for result in results] if self._top_k > 1 else None,
            "label": [result.label for result in results],
        }
        return _record_batch(self.schema, columns)

    def _top(self, result: Prediction) -> list[dict[str, object]]:
        return [
            {"digit": digit, "probability": probability, "label": self._labels[digit]}
            for digit, probability in result.top(self._top_k)
        ]

    def stored(self, batch: Any, min_confidence: float | None) -> Iterator[StoredRow]:
        """As in `ArrowDocument`."""
        from mnist_edge.outputs.completed_rows import check_prediction

        names = ("path", "digit", "confidence", "probabilities", "error")
        for path, digit, confidence, probabilities, error in zip(
            *(batch.column(name).to_pylist() for name in names), strict=True
        ):
            known = None if probabilities is None else np.array(probabilities, np.float64)
            if (
                path is None
                or (known is not None and len(known) != len(self._labels))
                or not (digit is None or 0 <= digit < len(self._labels))
            ):
                raise ValueError("another type")
            check_prediction(
                Prediction(path, digit, confidence, known, error, labels=self._labels),  # type: ignore[arg-type]
                min_confidence,
            )
            yield path, digit, confidence, error


class ReadingRows(ArrowDocument["Reading"]):
    """Columns ``path``, ``text``, ``confidence``, ``numbers`` and ``error``, as in JSON."""

    def __init__(self) -> None:
        pyarrow = import_pyarrow("--format parquet")
        text, number, count = pyarrow.string(), pyarrow.float64(), pyarrow.int32()
        box = ("box", pyarrow.list_(count))
        confidence = ("confidence", number)
        digit = [("digit", count), confidence, box]
        separator = [("text", text), confidence, box, ("after", count)]
        numbers = pyarrow.struct(
            [
                ("text", text),
                confidence,
                box,
                ("row", count),
                ("digits", pyarrow.list_(pyarrow.struct(digit))),
                ("alternatives", pyarrow.list_(pyarrow.struct([("text", text), confidence]))),
                ("separators", pyarrow.list_(pyarrow.struct(separator))),
            ]
        )
        super().__init__(
            [
                ("path", text),
                ("text", text),
                confidence,
                ("numbers", pyarrow.list_(numbers)),
                ("error", text),
            ]
        )

    def rows(self, results: Sequence[Reading]) -> Any:
        """Some readings, as a `pyarrow.RecordBatch`."""
        rows = [reading.to_dict() for reading in results]
        columns = {name: [row[name] for row in rows] for name in self.schema.names}
        for name in ("path", "error"):
            columns[name] = [_text(value, self) for value in columns[name]]
        return _record_batch(self.schema, columns)

    def stored(self, batch: Any, _: float | None) -> Iterator[StoredRow]:
        """As in `ArrowDocument`."""
        from mnist_edge.outputs.completed_readings import check_reading

        for row in batch.to_pylist():
            values = row["path"], row["text"], row["confidence"], row["error"]
            check_reading(
                values, [(number["text"], number["confidence"]) for number in row["numbers"]]
            )
            yield values


def _text(value: str | None, document: ArrowDocument[Any]) -> str | None:
    return None if value is None else document.path_text(value)


def _lists(rows: Sequence[Any]) -> Any:
    """Arrays of one length, or None, as a column of lists."""
    pyarrow = import_pyarrow("--format parquet")
    known = [row for row in rows if row is not None]
    width = len(known[0]) if known else 0
    is_missing = np.array([row is None for row in rows])
    ends = np.cumsum(np.where(is_missing, 0, width))
    offsets = pyarrow.array(
        np.concatenate([[0], ends]).astype(np.int32), mask=np.append(is_missing, False)
    )
    values = np.concatenate(known) if known else np.empty(0)
    return pyarrow.ListArray.from_arrays(offsets, pyarrow.array(values, pyarrow.float32()))


def _record_batch(schema: Any, columns: dict[str, Any]) -> Any:
    pyarrow = import_pyarrow("--format parquet")
    arrays = [
        columns[field.name]
        if isinstance(columns[field.name], pyarrow.Array)
        else pyarrow.array(columns[field.name], field.type)
        for field in schema
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
