"""Reads the rows that `mnist-edge read` has written, and checks that they are what it writes."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Sequence
from typing import Any

from mnist_edge.outputs.formats import Format, csv_text
from mnist_edge.outputs.reading_formats import CSV_COLUMNS

__all__ = ["check_reading", "parse_reading"]

_TEXT = re.compile(r"[0-9?]+(?:[ \n][0-9?]+)*")

Values = tuple[str, str | None, float | None, str | None]
"""Path, text, confidence and error of a row."""


def parse_reading(row: bytes, kind: Format) -> Values:
    """What a row says.

    Raises:
        ValueError, KeyError, TypeError: it is not one that this command writes.
    """
    values, numbers = _csv(row) if kind is Format.CSV else _json(row)
    check_reading(values, numbers)
    return values


def check_reading(values: Values, numbers: Sequence[tuple[str, float]]) -> None:
    """Checks that the values of a row are of their types and agree with one another.

    Args:
        values: of the row.
        numbers: text and confidence of each number.

    Raises:
        ValueError: they do not.
    """
    path, text, confidence, error = values
    are_typed = isinstance(path, str) and isinstance(text, str | None)
    if not are_typed or not isinstance(error, str | None):
        raise ValueError("another type")
    if (text is None) != (error is not None) or (text is None) != (confidence is None):
        raise ValueError("values that contradict one another")
    if text is None:
        is_whole = not numbers
    else:
        texts = [number for number, _ in numbers]
        product = math.prod(value for _, value in numbers)
        is_whole = (
            _TEXT.fullmatch(text) is not None
            and texts == text.split()
            and type(confidence) is float
            and 0 <= confidence <= 1
            # Each is rounded to six decimals.
            and math.isclose(product, confidence, abs_tol=1e-5 * max(1, len(texts)))
        )
    if not is_whole:
        raise ValueError("values that contradict one another")


def _json(row: bytes) -> tuple[Values, list[tuple[str, float]]]:
    fields: dict[str, Any] = json.loads(row.decode("ascii"))
    if json.dumps(fields).encode() + b"\n" != row:
        raise ValueError("another form")
    numbers = [(number["text"], number["confidence"]) for number in fields["numbers"]]
    for number in fields["numbers"]:
        if len(number["digits"]) != len(number["text"]) or len(number["box"]) != 4:
            raise ValueError("values that contradict one another")
    return (fields["path"], fields["text"], fields["confidence"], fields["error"]), numbers


def _csv(row: bytes) -> tuple[Values, list[tuple[str, float]]]:
    csv.field_size_limit(sys.maxsize)
    text = row.decode("utf-8", "surrogateescape")
    (cells,) = csv.reader(io.StringIO(text, newline=""))
    if csv_text([cells]) != text:
        raise ValueError("another form")
    fields = dict(zip(CSV_COLUMNS, cells, strict=True))
    confidence = float(fields["confidence"]) if fields["confidence"] else None
    values = fields["path"], fields["text"] or None, confidence, fields["error"] or None
    texts, confidences, boxes = (
        fields[name].split(";") if fields[name] else []
        for name in ("numbers", "confidences", "boxes")
    )
    if any(len([*map(int, box.split())]) != 4 for box in boxes) or len(boxes) != len(texts):
        raise ValueError("another form")
    return values, list(zip(texts, map(float, confidences), strict=True))
