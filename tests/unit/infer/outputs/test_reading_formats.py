"""Rows of `read` can be read back by a standard reader, and by a resumed run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from mnist_edge import Alternative, Number, ReadDigit, Reading, Separator, UsageError
from mnist_edge.outputs.completed_rows import read_rows
from mnist_edge.outputs.formats import Format
from mnist_edge.outputs.reading_formats import ReadingFormatter
from tests.rows import READING_VALIDATOR


def number(text: str, row: int, confidence: float = 0.75) -> Number:
    digits = tuple(
        ReadDigit(None if c == "?" else int(c), 0.9, (10 * i, 0, 10 * i + 8, 20))
        for i, c in enumerate(text)
    )
    box = (0, 0, 10 * len(text), 20)
    mark = Separator(",", 0.8, (8, 15, 10, 22), 1)
    return Number(text, confidence, box, row, digits, (Alternative("00", 0.1),), (mark,))


GOOD = Reading(
    'a, "b"\n.png', "01 2?\n9", 0.75**3, (number("01", 0), number("2?", 0), number("9", 1))
)
BAD = Reading("bad.png", None, None, (), "bad.png: the file is empty")


def written(kind: Format, readings: list[Reading]) -> str:
    """The document, with rows added one at a time, as a stream is written."""
    formatter = ReadingFormatter(kind)
    rows = [
        formatter.separator(is_first=index == 0) + formatter.rows([reading])
        for index, reading in enumerate(readings)
    ]
    return formatter.header + "".join(rows) + formatter.footer


def test_json_and_json_lines_hold_every_field() -> None:
    expected = [GOOD.to_dict(), BAD.to_dict()]
    for fields in expected:
        READING_VALIDATOR.validate(fields)
    assert json.loads(written(Format.JSON, [GOOD, BAD])) == expected
    lines = written(Format.JSONL, [GOOD, BAD]).splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_csv_has_a_row_for_each_picture() -> None:
    good, bad = csv.DictReader(io.StringIO(written(Format.CSV, [GOOD, BAD]), newline=""))
    assert (good["path"], good["text"]) == (GOOD.path, GOOD.text)
    assert good["numbers"] == "01;2?;9"
    assert good["confidences"] == "0.75;0.75;0.75"
    assert good["boxes"].split(";")[0] == "0 0 20 20"
    assert (bad["text"], bad["numbers"], bad["error"]) == ("", "", BAD.error)


def test_table_has_a_line_for_each_picture() -> None:
    header, good, bad = written(Format.TABLE, [GOOD, BAD]).splitlines()
    assert header.split() == ["number", "confidence", "image"]
    assert good.split()[:4] == ["01", "2?", "/", "9"]
    assert "42.1 %" in good
    assert bad.split() == ["-", "-", *str(BAD.error).split()]


@pytest.mark.parametrize("kind", [Format.JSONL, Format.CSV])
def test_rows_are_read_back(kind: Format, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    text = written(kind, [GOOD, BAD, GOOD])
    path.write_bytes(text.encode() + b"half a")
    rows = [*read_rows(path, ReadingFormatter(kind))]
    assert [row.answer for row in rows] == [GOOD.text, None, GOOD.text]
    assert [row.path for row in rows] == [GOOD.path, BAD.path, GOOD.path]
    assert rows[-1].end == len(text.encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"text": "01 2?', '"text": "02 2?'),
        ('"confidence": 0.421875', '"confidence": 0.9'),
        ('"error": null', '"error": "no"'),
        ('"error"', '"eror"'),
        ('{"path"', '{  "path"'),
        ("[", "{"),
    ],
)
def test_what_read_does_not_write_is_refused(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    text = written(Format.JSONL, [GOOD])
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(UsageError, match="not what this command writes"):
        list(read_rows(path, ReadingFormatter(Format.JSONL)))
