"""Rows of a partial file are those that were written, or the file is refused: never a wrong row."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import Prediction, UsageError
from mnist_edge.outputs.completed_rows import CompletedRow, read_rows
from mnist_edge.outputs.formats import Format, Formatter

NAMES = ["a.png", 'b, "c"\nd.png', "e\rf.png", "\udcff\x1b.png", "七.png", "g.zip/h\0i.png"]
LABELS = ("cat", "dog, brown", "10")

KINDS = [Format.JSONL, Format.CSV]
FORMATTERS = [
    Formatter(kind, top_k, labels)
    for kind in KINDS
    for top_k in (1, 3)
    for labels in (tuple("0123456789"), LABELS)
]


def predictions(formatter: Formatter, min_confidence: float = 0.5) -> list[Prediction]:
    """As a run makes them: predicted, rejected, and unreadable ones."""
    rng = np.random.default_rng(0)
    made = []
    for name in NAMES * 3:
        probabilities = rng.dirichlet(np.full(len(formatter.labels), 0.3)).astype(np.float32)
        digit = int(probabilities.argmax())
        confidence = float(probabilities[digit])
        if rng.random() < 0.2:
            made.append(Prediction(name, None, None, None, f"{name}: no such file"))
        elif confidence < min_confidence:
            error = f"{name}: unsure; below the minimum of {min_confidence:g}"
            made.append(Prediction(name, None, confidence, probabilities, error))
        else:
            made.append(Prediction(name, digit, confidence, probabilities))
    return [dataclasses.replace(one, labels=formatter.labels) for one in made]


def document(formatter: Formatter, made: list[Prediction]) -> bytes:
    return (formatter.header + formatter.rows(made)).encode("utf-8", "surrogateescape")


def read(path: Path, content: bytes, formatter: Formatter) -> list[CompletedRow]:
    path.write_bytes(content)
    return list(read_rows(path, formatter, 0.5))


@pytest.mark.parametrize("formatter", FORMATTERS, ids=str)
def test_rows_are_read_as_they_were_written(tmp_path: Path, formatter: Formatter) -> None:
    made = predictions(formatter)
    content = document(formatter, made)
    rows = read(tmp_path / "x", content, formatter)
    assert [row.path for row in rows] == [one.path for one in made]
    assert [row.answer for row in rows] == [one.digit for one in made]
    assert [row.error for row in rows] == [one.error for one in made]
    assert rows[-1].end == len(content)
    for row, one in zip(rows, made, strict=True):
        assert row.confidence == pytest.approx(one.confidence, abs=1e-6)


@pytest.mark.parametrize("formatter", FORMATTERS, ids=str)
def test_rows_before_a_cut_anywhere_are_read(tmp_path: Path, formatter: Formatter) -> None:
    made = predictions(formatter)
    content = document(formatter, made)
    ends = [row.end for row in read(tmp_path / "x", content, formatter)]
    for cut in range(0, len(content), 7):
        rows = read(tmp_path / "x", content[:cut], formatter)
        assert [row.end for row in rows] == [end for end in ends if end <= cut]


Damage = Callable[[str], str | bytes]

DAMAGE: dict[str, Damage] = {
    "NUL": lambda row: row.replace("0.", "\0."),
    "only NULs": lambda row: "\0" * len(row) + "\n",
    "carriage returns": lambda row: row.replace("\n", "\r\n"),
    "empty line": lambda row: "\n" + row,
    "trailing text": lambda row: row.replace("\n", "x\n"),
    "two rows in a line": lambda row: row.replace("\n", "") + row,
    "text": lambda _: "something else\n",
    "binary": lambda _: bytes(range(256)) + b"\n",
}

JSON_DAMAGE: dict[str, Damage] = {
    "not UTF-8": lambda row: row.encode().replace(b"a.png", b"a\xc3\x28.png"),
    "byte order mark": lambda row: "\ufeff" + row,
    "leading space": lambda row: " " + row,
    "an array": lambda row: f"[{row.strip()}]\n",
    "a number": lambda _: "7\n",
    "a string": lambda _: '"a.png"\n',
    "null": lambda _: "null\n",
    "no object": lambda _: "{}\n",
    "deep": lambda _: "[" * 100_000 + "]" * 100_000 + "\n",
    "deep objects": lambda _: '{"path": ' * 50_000 + "1" + "}" * 50_000 + "\n",
    "long number": lambda row: row.replace('"digit": 2', f'"digit": {"9" * 10_000}'),
    "another field": lambda row: row.replace("}", ', "more": 1}'),
    "a field twice": lambda row: row.replace('"digit": 2', '"digit": 3, "digit": 2'),
    "other order": lambda row: json.dumps(dict(reversed(json.loads(row).items()))) + "\n",
    "text that JSON need not escape": lambda row: row.replace("a.png", "ä.png"),
}


def field(name: str, value: str) -> Damage:
    """Replaces the value of a JSON field by other JSON."""

    def damage(row: str) -> str:
        fields = json.loads(row)
        parts = [
            f"{json.dumps(key)}: {value if key == name else json.dumps(old)}"
            for key, old in fields.items()
        ]
        return f"{{{', '.join(parts)}}}\n"

    return damage


JSON_DAMAGE |= {
    f"{name} = {value[:20]}": field(name, value)
    for name, values in {
        "path": ["null", "1", "[]", '{"a": 1}', "true"],
        "digit": ["true", "2.0", '"2"', "-1", "10", "3", "null", "[2]", "1e400", "NaN"],
        "confidence": [
            "true",
            "1",
            '"0.9"',
            "NaN",
            "Infinity",
            "-0.9",
            "1.5",
            "0.8",
            "null",
            "1e999",
        ],
        "probabilities": [
            *("null", "[]", "0.9", '"x"', "[0.9]", "[NaN]", "{}", json.dumps([0.1] * 11)),
            json.dumps([True, False] * 5),
            json.dumps([1e308] * 10),
            json.dumps(["0.1"] * 10),
            json.dumps([0.9] * 10),
        ],
        "error": ['"x"', "0", "false", "[]"],
    }.items()
    for value in values
}

CSV_DAMAGE: dict[str, Damage] = {
    "no columns": lambda _: ",\n",
    "a column less": lambda row: row.replace(",0.0,", ",", 1),
    "a column more": lambda row: row.replace("\n", ",\n"),
    "digit as float": lambda row: row.replace(",2,", ",2.0,", 1),
    "digit as bool": lambda row: row.replace(",2,", ",True,", 1),
    "another digit": lambda row: row.replace(",2,", ",3,", 1),
    "no digit": lambda row: row.replace(",2,", ",,", 1),
    "a class too many": lambda row: row.replace(",2,", ",10,", 1),
    "long number": lambda row: row.replace(",2,", f",{'9' * 10_000},", 1),
    "digit in other figures": lambda row: row.replace(",2,", ",\u0662,", 1),
    "NaN": lambda row: row.replace("0.9", "nan", 1),
    "above 1": lambda row: row.replace("0.9", "9.0"),
    "more decimals": lambda row: row.replace("0.9", "0.90"),
    "needless quotes": lambda row: row.replace("a.png", '"a.png"'),
    "quotes inside": lambda row: row.replace("a.png", 'a"b"c.png'),
    "huge field": lambda row: row.replace(",2,", f",{'x' * 1_000_000},", 1),
    "error beside a digit": lambda row: row.replace("\n", "odd\n"),
}


def cases() -> list[tuple[Format, str, Damage]]:
    own = {Format.JSONL: JSON_DAMAGE, Format.CSV: CSV_DAMAGE}
    return [(kind, name, damage) for kind in KINDS for name, damage in (DAMAGE | own[kind]).items()]


@pytest.mark.parametrize(
    ("kind", "damage"),
    [pytest.param(kind, damage, id=f"{kind}: {name}") for kind, name, damage in cases()],
)
def test_damaged_row_is_refused_in_one_line(tmp_path: Path, kind: Format, damage: Damage) -> None:
    formatter = Formatter(kind)
    probabilities = np.array([0, 0.1, 0.9, *[0] * 7], dtype=np.float32)
    good = formatter.rows([Prediction("a.png", 2, 0.9, probabilities)])
    bad = damage(good)
    assert bad != good
    content = b"".join(
        part.encode() if isinstance(part, str) else part
        for part in (formatter.header, good, bad, good)
    )
    with pytest.raises(UsageError, match=r"^.*x: not what this command writes") as refused:
        read(tmp_path / "x", content, formatter)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("before", [b" ", b"\xef\xbb\xbf", b"\xc3\x28", b"\xff"])
def test_bytes_before_a_row_of_csv_make_it_the_row_of_another_picture(
    tmp_path: Path, before: bytes
) -> None:
    formatter = Formatter(Format.CSV)
    unread = formatter.rows([Prediction("a.png", None, None, None, "a.png: no such file")])
    content = formatter.header.encode() + before + unread.encode()
    (row,) = read(tmp_path / "x", content, formatter)
    assert os.fsencode(row.path) == before + b"a.png"


@pytest.mark.parametrize("header", ["", "\n", "path\n", "\ufeff", '"', "path,digit\r\n"])
def test_csv_of_another_header_has_no_rows_or_is_refused(tmp_path: Path, header: str) -> None:
    formatter = Formatter(Format.CSV)
    content = header.encode() + document(formatter, predictions(formatter))[10:]
    with contextlib.suppress(UsageError):
        assert read(tmp_path / "x", content, formatter) == []


@pytest.mark.parametrize(
    "other",
    [
        {"top_k": 2},
        {"labels": ("a", "b", "c")},
        {"labels": tuple("012345678")},
        {"labels": tuple("1023456789")},
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_other_options_are_refused(
    tmp_path: Path, kind: Format, other: dict[str, object]
) -> None:
    formatter = Formatter(kind)
    content = document(formatter, predictions(formatter))
    different = dataclasses.replace(formatter, **other)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        read(tmp_path / "x", content, different)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made_with", [0.3, 0.7, 1.0])
def test_rows_of_another_threshold_are_refused(
    tmp_path: Path, kind: Format, made_with: float
) -> None:
    formatter = Formatter(kind)
    content = document(formatter, predictions(formatter, made_with))
    with pytest.raises(UsageError):
        read(tmp_path / "x", content, formatter)


@pytest.mark.parametrize("formatter", FORMATTERS, ids=str)
def test_damage_anywhere_changes_no_digit(tmp_path: Path, formatter: Formatter) -> None:
    """Bytes changed at random: a file that is accepted still says of each picture what it did."""
    made = predictions(formatter)
    content = document(formatter, made)
    chance = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 3))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            rows = read(tmp_path / "x", bytes(damaged), formatter)
        except UsageError:
            refused += 1
            continue
        for row, one in zip(rows, made, strict=False):
            if row.path == one.path:
                assert (row.answer, row.error is None) == (one.digit, one.error is None)
    assert refused > 20
