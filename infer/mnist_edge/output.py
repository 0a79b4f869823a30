"""Predictions -> table, JSON, JSON Lines, CSV; written as they come."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TextIO

from mnist_edge.classifier import Prediction
from mnist_edge.errors import UsageError, one_line
from mnist_edge.files import written_whole

__all__ = ["Format", "Writer", "open_output", "open_writer", "parse_format", "percent"]


class Format(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def parse_format(name: str) -> Format:
    """Raises UsageError where there is no such format."""
    try:
        return Format(name)
    except ValueError as error:
        known = ", ".join(Format)
        raise UsageError(f"--format {name}: unknown; choose one of {known}") from error


class Writer(Protocol):
    """Writes one prediction after the other."""

    def write(self, prediction: Prediction) -> None: ...


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that appears under its name only once it is whole.

    Raises:
        OutputError: the file cannot be written.
    """
    if path is None:
        yield sys.stdout
        return
    with (
        written_whole(path) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


@contextlib.contextmanager
def open_writer(kind: Format, file: TextIO, top_k: int = 1) -> Iterator[Writer]:
    """A writer that leaves a valid document behind however the block ends.

    Args:
        kind: of the document.
        file: to write it to.
        top_k: digits to name for each picture; above 1 adds a column, or a ``top`` field.
    """
    if kind is Format.JSON:
        try:
            # Inside, since an interruption can come between any two steps.
            file.write("[")
            yield _Json(file, top_k)
        finally:
            file.write("\n]\n")
    elif kind is Format.JSONL:
        yield _JsonLines(file, top_k)
    elif kind is Format.CSV:
        yield _Csv(file, top_k)
    else:
        yield _Table(file, top_k)


def _record(prediction: Prediction, top_k: int) -> dict[str, Any]:
    record = prediction.to_dict()
    if top_k > 1:
        record["top"] = [
            {"digit": digit, "probability": round(probability, 6)}
            for digit, probability in prediction.top(top_k)
        ]
    return record


class _JsonLines:
    def __init__(self, file: TextIO, top_k: int) -> None:
        self._file, self._top_k = file, top_k

    def write(self, prediction: Prediction) -> None:
        self._file.write(json.dumps(_record(prediction, self._top_k)) + "\n")
        self._file.flush()


class _Json:
    """The elements of an array, whose brackets `open_writer` sets."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self._file, self._top_k = file, top_k
        self._separator = "\n"

    def write(self, prediction: Prediction) -> None:
        self._file.write(self._separator + json.dumps(_record(prediction, self._top_k)))
        self._separator = ",\n"
        self._file.flush()


class _Csv:
    def __init__(self, file: TextIO, top_k: int) -> None:
        self._file, self._top_k = file, top_k
        self._rows = csv.writer(file, lineterminator="\n")
        probabilities = [f"probability_{digit}" for digit in range(10)]
        top = ["top"] if top_k > 1 else []
        self._rows.writerow(["path", "digit", "confidence", *probabilities, "error", *top])

    def write(self, prediction: Prediction) -> None:
        record = prediction.to_dict()
        top = [" ".join(str(d) for d, _ in prediction.top(self._top_k))] if self._top_k > 1 else []
        self._rows.writerow(
            [
                record["path"],
                record["digit"],
                record["confidence"],
                *(record["probabilities"] or [None] * 10),
                record["error"],
                *top,
            ]
        )
        self._file.flush()


def percent(probability: float) -> str:
    """Rounded down: 99.97 % is not certainty, and must not look like it."""
    return f"{math.floor(probability * 1000) / 10:.1f} %"


class _Table:
    """Fixed columns with the path last, so that rows can be printed before all are known."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self._file, self._top_k = file, top_k
        self._file.write(self._row("digit", "confidence", "next best", "image"))

    def write(self, prediction: Prediction) -> None:
        others = "  ".join(
            f"{digit} {percent(probability)}"
            for digit, probability in prediction.top(self._top_k)[1:]
        )
        self._file.write(
            self._row(
                "-" if prediction.digit is None else str(prediction.digit),
                "-" if prediction.confidence is None else percent(prediction.confidence),
                others,
                one_line(prediction.error or prediction.path or "-"),
            )
        )
        self._file.flush()

    def _row(self, digit: str, confidence: str, others: str, image: str) -> str:
        next_best = f"{others:<{10 * (self._top_k - 1)}}  " if self._top_k > 1 else ""
        return f"{digit:>5}  {confidence:>10}  {next_best}{image}\n"
