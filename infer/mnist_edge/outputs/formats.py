"""Predictions -> the text of a table, of JSON, JSON Lines or CSV."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from mnist_edge.classifier import Prediction
from mnist_edge.errors import UsageError, one_line
from mnist_edge.types import DIGITS

__all__ = ["Format", "Writer", "parse_format", "percent"]


class Format(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"

    @property
    def is_resumable(self) -> bool:
        """Whether what was written tells, row by row, what is still to be done."""
        return self in (Format.JSONL, Format.CSV)


def parse_format(name: str) -> Format:
    """Raises UsageError where there is no such format."""
    try:
        return Format(name)
    except ValueError as error:
        known = ", ".join(Format)
        raise UsageError(f"--format {name}: unknown; choose one of {known}") from error


@dataclass(frozen=True)
class Writer:
    """Turns predictions into text: `header`, then `rows` any number of times, then `footer`.

    Attributes:
        kind: of the document.
        top_k: classes to name for each picture; above 1 adds a column, or a ``top`` field.
        labels: names of the model's classes; others than the ten digits add a ``label``.
    """

    kind: Format
    top_k: int = 1
    labels: tuple[str, ...] = DIGITS

    @cached_property
    def is_named(self) -> bool:
        """Whether the classes have names other than the ten digits."""
        return self.labels != DIGITS

    @cached_property
    def columns(self) -> list[str]:
        """Of CSV."""
        probabilities = [f"probability_{digit}" for digit in range(len(self.labels))]
        top = ["top"] if self.top_k > 1 else []
        label = ["label"] if self.is_named else []
        return ["path", "digit", "confidence", *probabilities, "error", *top, *label]

    @property
    def header(self) -> str:
        """What comes before the first row."""
        if self.kind is Format.JSON:
            return "["
        if self.kind is Format.CSV:
            return ",".join(self.columns) + "\n"
        if self.kind is Format.TABLE:
            title = "class" if self.is_named else "digit"
            return self._table_row(title, "confidence", "next best", "image")
        return ""

    @property
    def footer(self) -> str:
        """What comes after the last row."""
        return "\n]\n" if self.kind is Format.JSON else ""

    def rows(self, predictions: Sequence[Prediction], *, first: bool = False) -> str:
        """The text of some predictions; `first`: no row was written before them."""
        if self.kind is Format.JSON:
            rows = ",\n".join(map(self._json, predictions, self._millionths(predictions)))
            return ("\n" if first else ",\n") + rows
        if self.kind is Format.JSONL:
            rows = "\n".join(map(self._json, predictions, self._millionths(predictions)))
            return rows + "\n" if rows else ""
        if self.kind is Format.CSV:
            import csv

            file = io.StringIO()
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(map(self._csv, predictions, self._millionths(predictions)))
            return file.getvalue()
        return "".join(map(self._table, predictions))

    def _json(self, prediction: Prediction, probabilities: list[str] | None) -> str:
        # Put together by hand: the library takes five times as long for ten floats.
        told = "null" if probabilities is None else f"[{', '.join(probabilities)}]"
        digit = "null" if prediction.digit is None else prediction.digit
        confidence = "null" if prediction.confidence is None else _number(prediction.confidence)
        error = "null" if prediction.error is None else json.dumps(prediction.error)
        top = f', "top": {json.dumps(self._top(prediction))}' if self.top_k > 1 else ""
        label = f', "label": {json.dumps(prediction.label)}' if self.is_named else ""
        return (
            f'{{"path": {json.dumps(prediction.path)}, "digit": {digit}, '
            f'"confidence": {confidence}, "probabilities": {told}, "error": {error}{top}{label}}}'
        )

    def _top(self, prediction: Prediction) -> list[dict[str, float | str]]:
        return [
            {
                "digit": digit,
                "probability": round(probability, 6),
                **({"label": self.labels[digit]} if self.is_named else {}),
            }
            for digit, probability in prediction.top(self.top_k)
        ]

    def _csv(self, prediction: Prediction, probabilities: list[str] | None) -> list[object]:
        top = [" ".join(str(d) for d, _ in prediction.top(self.top_k))] if self.top_k > 1 else []
        confidence = prediction.confidence
        return [
            prediction.path,
            prediction.digit,
            None if confidence is None else _number(confidence),
            *(probabilities or [""] * len(self.labels)),
            prediction.error,
            *top,
            *([prediction.label] if self.is_named else []),
        ]

    def _table(self, prediction: Prediction) -> str:
        others = "  ".join(
            f"{self.labels[digit]} {percent(probability)}"
            for digit, probability in prediction.top(self.top_k)[1:]
        )
        return self._table_row(
            prediction.label or "-",
            "-" if prediction.confidence is None else percent(prediction.confidence),
            others,
            one_line(prediction.error or prediction.path or "-"),
        )

    def _table_row(self, label: str, confidence: str, others: str, image: str) -> str:
        """Fixed columns with the path last, so that rows can be written before all are known."""
        longest = self._longest_label
        next_best = f"{others:<{(longest + 9) * (self.top_k - 1)}}  " if self.top_k > 1 else ""
        return f"{label:>{max(5, longest)}}  {confidence:>10}  {next_best}{image}\n"

    @cached_property
    def _longest_label(self) -> int:
        return max(map(len, self.labels))

    def _millionths(self, predictions: Sequence[Prediction]) -> Iterator[list[str] | None]:
        """Six decimals of each probability, as `json.dumps` writes them; None where there are
        none."""
        told = [p.probabilities for p in predictions if p.probabilities is not None]
        probabilities = np.array(told, np.float64).reshape(-1, len(self.labels))
        rows = iter(np.rint(probabilities * 1e6).astype(np.int64).tolist())
        for prediction in predictions:
            if prediction.probabilities is None:
                yield None
            else:
                yield [_TEXTS[count] for count in next(rows)]


class _Texts(dict[int, str]):
    """Text of so many millionths. Most probabilities are a few of them: they are written once."""

    def __missing__(self, count: int) -> str:
        text = repr(count / 1e6)
        if len(self) < _KEPT:
            self[count] = text
        return text


_KEPT = 4096
_TEXTS = _Texts()


def _number(probability: float) -> str:
    return _TEXTS[round(probability * 1e6)]


def percent(probability: float) -> str:
    """Rounded down: 99.97 % is not certainty, and must not look like it."""
    return f"{math.floor(probability * 1000) / 10:.1f} %"
