"""What is written can be read back, by somebody else's reader."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import OutputError, Prediction, UsageError
from mnist_edge.outputs.formats import Format, Writer, parse_format
from mnist_edge.outputs.resumable import completed_rows, open_output, partial_path

PROBABILITIES = np.array([0.01, 0.02, 0.9, 0.07, 0, 0, 0, 0, 0, 0], dtype=np.float32)
GOOD = Prediction('a, "b"\n.png', 2, 0.9, PROBABILITIES)
BAD = Prediction("bad.png", None, None, None, "bad.png: the file is empty")


def written(kind: Format, predictions: list[Prediction], top_k: int = 1) -> str:
    """In two goes, as a stream is written."""
    writer = Writer(kind, top_k)
    rows = [
        writer.rows([prediction], first=index == 0) for index, prediction in enumerate(predictions)
    ]
    return writer.header + "".join(rows) + writer.footer


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


def test_numbers_are_what_the_library_would_write() -> None:
    rng = np.random.default_rng(0)
    for probabilities in rng.dirichlet(np.full(10, 0.1), 200).astype(np.float32):
        prediction = Prediction("x", 1, float(probabilities[1]), probabilities)
        (row,) = (json.loads(line) for line in written(Format.JSONL, [prediction]).splitlines())
        assert row == prediction.to_dict()
        assert written(Format.JSONL, [prediction]) == json.dumps(row) + "\n"


@pytest.mark.parametrize("kind", Format)
def test_rows_together_are_the_rows_one_by_one(kind: Format) -> None:
    writer = Writer(kind)
    together = writer.header + writer.rows([GOOD, BAD, GOOD], first=True) + writer.footer
    assert together == written(kind, [GOOD, BAD, GOOD])


def test_json_is_whole_however_the_writing_ends(capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(Format.JSON)
    with pytest.raises(KeyboardInterrupt), open_output(None, writer) as file:
        file.write(writer.rows([GOOD], first=True))
        raise KeyboardInterrupt
    assert json.loads(capsys.readouterr().out) == EXPECTED[:1]


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


@pytest.mark.parametrize("kind", Format)
def test_an_output_file_appears_only_once_it_is_whole(tmp_path: Path, kind: Format) -> None:
    path, writer = tmp_path / "answers", Writer(kind)
    path.write_text("the last one\n")
    with pytest.raises(KeyboardInterrupt), open_output(path, writer) as file:
        file.write(writer.rows([GOOD], first=True))
        raise KeyboardInterrupt
    assert path.read_text() == "the last one\n"
    # What can be gone on with stays.
    assert partial_path(path).exists() == kind.is_resumable
    with open_output(path, writer) as file:
        file.write(writer.rows([BAD], first=True))
    assert path.read_text() == written(kind, [BAD])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [Format.JSONL, Format.CSV])
@pytest.mark.parametrize("rows_lost", [0, 1, 2])
def test_a_partial_file_is_gone_on_with_after_its_last_whole_row(
    tmp_path: Path, kind: Format, rows_lost: int
) -> None:
    path, writer = tmp_path / "answers", Writer(kind)
    whole = (writer.header + writer.rows([GOOD, BAD, GOOD, BAD])).encode()
    left = (writer.header + writer.rows([GOOD, BAD, GOOD, BAD][: 4 - rows_lost])).encode()
    # Ten bytes into the next row, where there is one.
    partial_path(path).write_bytes(whole[: len(left) + 10])
    with open_output(path, writer, resume=True) as file:
        done = list(completed_rows(path, writer))
        told = [(GOOD.path, 2, 0.9, None), ("bad.png", None, None, "bad.png: the file is empty")]
        assert done == (told * 2)[: 4 - rows_lost]
        file.write(writer.rows([GOOD, BAD, GOOD, BAD][len(done) :]))
    assert path.read_bytes() == whole


def test_a_partial_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    partial_path(path).write_text("something\nelse\n")
    for kind in (Format.JSONL, Format.CSV):
        with pytest.raises(UsageError, match=r"answers\.partial: not what this command writes"):
            list(completed_rows(path, Writer(kind)))


def test_two_programs_do_not_write_one_file(tmp_path: Path) -> None:
    writer = Writer(Format.JSONL)
    with (
        open_output(tmp_path / "answers", writer),
        pytest.raises(OutputError, match="another mnist-edge"),
        open_output(tmp_path / "answers", writer),
    ):
        pass


@pytest.mark.parametrize("kind", Format)
def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "no" / "such" / "folder.csv"
    with (
        pytest.raises(OutputError, match=r"folder\.csv"),
        open_output(path, Writer(kind)),
    ):
        pass


def test_an_unknown_format_names_the_known() -> None:
    with pytest.raises(UsageError, match="table, json, jsonl, csv"):
        parse_format("xml")
