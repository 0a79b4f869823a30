"""What is written can be read back, by somebody else's reader."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import OutputError, Prediction, UsageError
from mnist_edge.output import Format, open_output, open_writer, parse_format

PROBABILITIES = np.array([0.01, 0.02, 0.9, 0.07, 0, 0, 0, 0, 0, 0], dtype=np.float32)
GOOD = Prediction('a, "b"\n.png', 2, 0.9, PROBABILITIES)
BAD = Prediction("bad.png", None, None, None, "bad.png: the file is empty")


def written(kind: Format, predictions: list[Prediction], top_k: int = 1) -> str:
    file = io.StringIO()
    with open_writer(kind, file, top_k) as writer:
        for prediction in predictions:
            writer.write(prediction)
    return file.getvalue()


EXPECTED = [
    {
        "path": GOOD.path,
        "digit": 2,
        "confidence": 0.9,
        "probabilities": [0.01, 0.02, 0.9, 0.07, 0, 0, 0, 0, 0, 0],
        "error": None,
    },
    {
        "path": "bad.png",
        "digit": None,
        "confidence": None,
        "probabilities": None,
        "error": "bad.png: the file is empty",
    },
]


def test_json_and_json_lines() -> None:
    assert json.loads(written(Format.JSON, [GOOD, BAD])) == EXPECTED
    assert json.loads(written(Format.JSON, [])) == []
    lines = written(Format.JSONL, [GOOD, BAD]).splitlines()
    assert [json.loads(line) for line in lines] == EXPECTED


def test_json_is_whole_however_the_writing_ends() -> None:
    file = io.StringIO()
    with pytest.raises(KeyboardInterrupt), open_writer(Format.JSON, file) as writer:
        writer.write(GOOD)
        raise KeyboardInterrupt
    assert json.loads(file.getvalue()) == EXPECTED[:1]


def test_csv() -> None:
    good, bad = csv.DictReader(io.StringIO(written(Format.CSV, [GOOD, BAD]), newline=""))
    assert good["path"] == GOOD.path
    assert good["digit"] == "2"
    assert float(good["confidence"]) == 0.9
    assert [float(good[f"probability_{digit}"]) for digit in range(10)] == pytest.approx(
        PROBABILITIES
    )
    assert good["error"] == ""
    assert bad["digit"] == bad["confidence"] == bad["probability_0"] == ""
    assert bad["error"] == "bad.png: the file is empty"


def test_table_never_rounds_up_to_certainty() -> None:
    sure = Prediction("x.png", 2, 0.99996, PROBABILITIES)
    assert "99.9 %" in written(Format.TABLE, [sure])


def test_top_k_adds_and_changes_nothing_else() -> None:
    record = json.loads(written(Format.JSONL, [GOOD], top_k=2))
    assert record.pop("top") == [
        {"digit": 2, "probability": 0.9},
        {"digit": 3, "probability": 0.07},
    ]
    assert record == EXPECTED[0]
    assert "3 7.0 %" in written(Format.TABLE, [GOOD], top_k=2)


def test_an_output_file_appears_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("the last one\n")
    with pytest.raises(KeyboardInterrupt), open_output(path) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "the last one\n"
    assert list(tmp_path.iterdir()) == [path]
    with open_output(path) as file:
        file.write("whole")
    assert path.read_text() == "whole"


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "folder.csv"
    with pytest.raises(OutputError, match=r"folder\.csv"), open_output(path):
        pass


def test_an_unknown_format_names_the_known() -> None:
    with pytest.raises(UsageError, match="table, json, jsonl, csv"):
        parse_format("xml")
