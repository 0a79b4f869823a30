"""Every format can be read back by a standard reader."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from mnist_edge import Prediction, UsageError
from mnist_edge.outputs.formats import Format, Formatter, parse_format

PROBABILITIES = np.array([0.01, 0.02, 0.9, 0.07, 0, 0, 0, 0, 0, 0], dtype=np.float32)
GOOD = Prediction('a, "b"\n.png', 2, 0.9, PROBABILITIES)
BAD = Prediction("bad.png", None, None, None, "bad.png: the file is empty")


def written(kind: Format, predictions: list[Prediction], top_k: int = 1) -> str:
    """The document, with rows added one at a time, as a stream is written."""
    formatter = Formatter(kind, top_k)
    rows = [
        formatter.separator(is_first=index == 0) + formatter.rows([prediction])
        for index, prediction in enumerate(predictions)
    ]
    return formatter.header + "".join(rows) + formatter.footer


EXPECTED: list[dict[str, Any]] = [
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


def test_json_and_json_lines_hold_every_field() -> None:
    assert json.loads(written(Format.JSON, [GOOD, BAD])) == EXPECTED
    assert json.loads(written(Format.JSON, [])) == []
    lines = written(Format.JSONL, [GOOD, BAD]).splitlines()
    assert [json.loads(line) for line in lines] == EXPECTED


def test_hand_made_json_equals_json_dumps() -> None:
    rng = np.random.default_rng(0)
    for probabilities in rng.dirichlet(np.full(10, 0.1), 200).astype(np.float32):
        prediction = Prediction("x", 1, float(probabilities[1]), probabilities)
        (row,) = (json.loads(line) for line in written(Format.JSONL, [prediction]).splitlines())
        assert row == prediction.to_dict()
        assert written(Format.JSONL, [prediction]) == json.dumps(row) + "\n"


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.PARQUET])
def test_rows_in_one_batch_equal_rows_one_by_one(kind: Format) -> None:
    formatter = Formatter(kind)
    rows = formatter.separator(is_first=True) + formatter.rows([GOOD, BAD, GOOD])
    together = formatter.header + rows + formatter.footer
    assert together == written(kind, [GOOD, BAD, GOOD])


def test_csv_holds_every_field() -> None:
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


def test_top_k_adds_fields_and_changes_no_other() -> None:
    record = json.loads(written(Format.JSONL, [GOOD], top_k=2))
    assert record.pop("top") == [
        {"digit": 2, "probability": 0.9},
        {"digit": 3, "probability": 0.07},
    ]
    assert record == EXPECTED[0]
    assert "3 7.0 %" in written(Format.TABLE, [GOOD], top_k=2)


def test_an_unknown_format_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(UsageError, match="table, json, jsonl, csv"):
        parse_format("xml")


def test_more_classes_than_the_model_has_are_refused() -> None:
    with pytest.raises(UsageError, match="--top-k 11: the model has 10 classes"):
        Formatter(Format.CSV, top_k=11)
