"""Reads the rows of an output that was begun, and checks that they are what we write.

A disk that was full, a crash, or an editor may have left anything. A row is believed where it is,
byte for byte, what its own values are formatted to, and where these agree with one another.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnist_edge.classifier import Prediction
from mnist_edge.errors import UsageError
from mnist_edge.outputs.formats import Answer, Format, Formatter, TextDocument, csv_text

__all__ = ["CompletedRow", "check_prediction", "read_rows"]

_DAMAGE = (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, csv.Error)

_REJECTED = re.compile(r"below the minimum of (\S+)$")


class CompletedRow(NamedTuple):
    """What a row that was written says.

    Attributes:
        path, confidence, error: as in `Prediction` and `Reading`.
        answer: the digit, or the text of the numbers.
        end: bytes of the file up to the end of the row.
    """

    path: str
    answer: Answer
    confidence: float | None
    error: str | None
    end: int


def read_rows(
    path: Path, formatter: TextDocument[Any], min_confidence: float | None = None
) -> Iterator[CompletedRow]:
    """The complete rows of a file; a last one that breaks off is none of them.

    Args:
        path: of the file.
        formatter: of its rows.
        min_confidence: rejection threshold that the rows must agree with; None = any.

    Raises:
        UsageError: a row is not what this command writes.
    """
    with path.open("rb") as file:
        rows = _complete(file, formatter.kind)
        try:
            end = 0
            if formatter.header:
                header = next(rows, None)
                if header is None:
                    return
                if header != formatter.header.encode():
                    raise ValueError("another header")
                end = len(header)
            for row in rows:
                end += len(row)
                yield _completed(row, formatter, min_confidence, end)
        except _DAMAGE as error:
            raise UsageError(
                f"{path}: not what this command writes; delete it, or leave out --resume"
            ) from error


def _completed(
    row: bytes, formatter: TextDocument[Any], min_confidence: float | None, end: int
) -> CompletedRow:
    """What a row says; raises one of `_DAMAGE` where this command does not write it."""
    if not isinstance(formatter, Formatter):
        from mnist_edge.outputs.completed_readings import parse_reading

        return CompletedRow(*parse_reading(row, formatter.kind), end)
    prediction = _parse(row, formatter)
    check_prediction(prediction, min_confidence)
    return CompletedRow(
        prediction.path or "", prediction.digit, prediction.confidence, prediction.error, end
    )


def _complete(file: io.BufferedReader, kind: Format) -> Iterator[bytes]:
    """Complete rows: lines, but for a name in CSV that has a line's end in it, within quotes."""
    row: list[bytes] = []
    quotes = 0
    for line in file:
        row.append(line)
        quotes += line.count(b'"') if kind is Format.CSV else 0
        if line.endswith(b"\n") and quotes % 2 == 0:
            yield b"".join(row)
            row, quotes = [], 0


def _parse(row: bytes, formatter: Formatter) -> Prediction:
    """The prediction that a row says; raises one of `_DAMAGE` where it is no such row."""
    read = _read_csv if formatter.kind is Format.CSV else _read_json
    prediction, top, without_top = read(row, formatter)
    plain = dataclasses.replace(formatter, top_k=1)
    if plain.rows([prediction]) != without_top:
        raise ValueError("another form")
    if formatter.top_k > 1:
        _check_top(top, prediction, formatter.top_k)
    return prediction


def _read_json(row: bytes, formatter: Formatter) -> tuple[Prediction, list[int], str]:
    fields = json.loads(row.decode("ascii"))
    if json.dumps(fields).encode() + b"\n" != row:
        raise ValueError("another form")
    values = fields["probabilities"]
    prediction = _prediction(fields, values, formatter)
    if formatter.top_k == 1:
        return prediction, [], row.decode("ascii")
    top = fields.pop("top")
    digits = [entry["digit"] for entry in top]
    if top != [
        {
            "digit": digit,
            "probability": values[digit],
            **({"label": formatter.labels[digit]} if formatter.is_named else {}),
        }
        for digit in digits
    ]:
        raise ValueError("another top")
    return prediction, digits, json.dumps(fields) + "\n"


def _read_csv(row: bytes, formatter: Formatter) -> tuple[Prediction, list[int], str]:
    csv.field_size_limit(sys.maxsize)
    text = row.decode("utf-8", "surrogateescape")
    (cells,) = csv.reader(io.StringIO(text, newline=""))
    if csv_text([cells]) != text:
        raise ValueError("another form")
    fields: dict[str, Any] = dict(zip(formatter.columns, cells, strict=True))
    for name, parse in (("digit", int), ("confidence", float)):
        fields[name] = parse(fields[name]) if fields[name] else None
    fields["error"] = fields["error"] or None
    stated = [fields[f"probability_{digit}"] for digit in range(len(formatter.labels))]
    prediction = _prediction(fields, [*map(float, stated)] if any(stated) else None, formatter)
    if formatter.top_k == 1:
        return prediction, [], text
    top = cells.pop(formatter.columns.index("top"))
    return prediction, [*map(int, top.split())], csv_text([cells])


def _prediction(fields: dict[str, Any], values: object, formatter: Formatter) -> Prediction:
    """Makes a prediction of a row's fields, which may be of any type."""
    digit, confidence = fields["digit"], fields["confidence"]
    known = values if isinstance(values, list) else []
    if (
        not isinstance(fields["path"], str)
        or not isinstance(fields["error"], str | None)
        or not (digit is None or (type(digit) is int and 0 <= digit < len(formatter.labels)))
        or not all(
            type(value) is float and 0 <= value <= 1
            for value in itertools.chain(known, [] if confidence is None else [confidence])
        )
        or len(known) != (0 if values is None else len(formatter.labels))
    ):
        raise ValueError("another type")
    probabilities = None if values is None else np.array(known, np.float64)
    # Formatted as they are: six decimals, which float64 holds.
    return Prediction(
        fields["path"],
        digit,
        confidence,
        probabilities,  # type: ignore[arg-type]
        fields["error"],
        labels=formatter.labels,
    )


def check_prediction(prediction: Prediction, min_confidence: float | None) -> None:
    """Checks that the values of a row agree with one another.

    Args:
        prediction: that the row says.
        min_confidence: rejection threshold that it must agree with; None = any.

    Raises:
        ValueError: they do not.
    """
    digit, confidence, error = prediction.digit, prediction.confidence, prediction.error
    if prediction.probabilities is None:
        agrees = confidence is None and digit is None and error is not None
    else:
        agrees = (
            confidence == prediction.probabilities.max()
            and math.isclose(prediction.probabilities.sum(), 1, abs_tol=0.01)
            and (digit is None or prediction.probabilities[digit] == confidence)
            and (digit is None) == (error is not None)
        )
    if agrees and min_confidence is not None and confidence is not None:
        # To six decimals.
        agrees = digit is None or confidence >= min_confidence - 1e-6
        if digit is None and (rejected := _REJECTED.search(error or "")):
            agrees = rejected[1] == f"{min_confidence:g}"
    if not agrees:
        raise ValueError("values that contradict one another")


def _check_top(digits: list[int], prediction: Prediction, top_k: int) -> None:
    """Raises ValueError where a row does not list the most probable classes.

    Of classes whose probabilities are the same to six decimals, any can come first.
    """
    known = [] if prediction.probabilities is None else prediction.probabilities.tolist()
    if (
        not all(type(digit) is int and 0 <= digit < len(known) for digit in digits)
        or [known[digit] for digit in digits] != sorted(known, reverse=True)[:top_k]
        or len(set(digits)) != len(digits)
    ):
        raise ValueError("another top")
