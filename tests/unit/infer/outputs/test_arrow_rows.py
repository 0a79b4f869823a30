"""Parquet holds what JSON does, typed; it is complete or resumable, whatever ends the program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from mnist_edge import MissingExtraError, Prediction, Reading, UsageError
from mnist_edge.inputs.members import TableRow
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs.arrow_rows import PredictionRows, ReadingRows
from mnist_edge.outputs.formats import Document
from mnist_edge.outputs.resumable import completed_rows, open_output, partial_path
from tests.conftest import SAMPLES, Cli
from tests.unit.infer.outputs.test_formats import BAD, EXPECTED, GOOD

ITEMS = [Item("a"), Item("b")]


def table_row(number: int, **columns: Any) -> TableRow:
    return TableRow(pyarrow.RecordBatch.from_pydict(columns), number)


def columns_of(batches: Sequence[tuple[Any, list[Item]]]) -> Any:
    """As the runner finds them."""
    items = [item for _, some in batches for item in some]
    return next((item.row.batch.schema for item in items if item.row), None)


def written(path: Path, document: Document[Any], *batches: tuple[Any, list[Item]]) -> Any:
    with open_output(path, document, columns=columns_of(batches)) as rows:
        for batch, items in batches:
            rows.write(batch, items)
    return parquet.read_table(path)


class TestRows:
    def test_predictions_are_typed(self, tmp_path: Path) -> None:
        document = PredictionRows()
        table = written(tmp_path / "x", document, (document.rows([GOOD, BAD]), ITEMS))
        assert [str(kind) for kind in table.schema.types] == [
            *("string", "int16", "float", "list<element: float>", "string")
        ]
        rows = table.to_pylist()
        assert [row["digit"] for row in rows] == [2, None]
        assert GOOD.probabilities is not None
        assert rows[0]["probabilities"] == GOOD.probabilities.tolist()
        for row, expected in zip(rows, EXPECTED, strict=True):
            assert {**expected, "path": row["path"], "error": row["error"]} == expected
        assert rows[1]["probabilities"] is rows[1]["confidence"] is None

    def test_named_classes_and_top(self, tmp_path: Path) -> None:
        values = np.array([0.2, 0.7, 0.1], np.float32)
        prediction = Prediction("x", 1, 0.7, values, labels=("a", "b", "c"))
        document = PredictionRows(2, ("a", "b", "c"))
        table = written(tmp_path / "x", document, (document.rows([prediction]), [Item("x")]))
        (row,) = table.to_pylist()
        assert row["label"] == "b"
        assert [(entry["digit"], entry["label"]) for entry in row["top"]] == [(1, "b"), (0, "a")]
        with pytest.raises(UsageError, match="--top-k 4: the model has 3 classes"):
            PredictionRows(4, ("a", "b", "c"))

    def test_readings_are_those_of_json(self, cli: Cli, tmp_path: Path) -> None:
        options = (
            "read",
            next((SAMPLES / "numbers").glob("*.jpg")),
            SAMPLES / "7-pen.png",
            "nowhere.png",
        )
        as_json = cli(*options, "--format", "jsonl")
        cli(*options, "--format", "parquet", "--output", tmp_path / "x")
        rows = parquet.read_table(tmp_path / "x").to_pylist()
        assert rows == [json.loads(line) for line in as_json.stdout.splitlines()]
        assert rows[0]["numbers"]

    def test_name_that_is_no_text_is_escaped(self, tmp_path: Path) -> None:
        document = PredictionRows()
        bad = Prediction("\udcff.png", None, None, None, "\udcff.png: empty")
        table = written(tmp_path / "x", document, (document.rows([bad]), [Item("\udcff.png")]))
        assert table.column("path").to_pylist() == ["\\udcff.png"]
        assert document.path_text("\udcff.png") == "\\udcff.png"

    def test_without_pyarrow_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        for make in (PredictionRows, ReadingRows):
            with pytest.raises(MissingExtraError, match=r"mnist-edge\[arrow\]"):
                make()


class TestOtherColumns:
    def test_they_come_behind_ours(self, tmp_path: Path) -> None:
        document = PredictionRows()
        columns = {"label": [5, 6, 7], "digit": ["x", "y", "z"]}
        first = table_row(2, **columns)
        items = [Item("a", row=first), Item("b", row=TableRow(first.batch, 0))]
        later = [Item("c"), Item("d", row=table_row(1, label=[8, 9]))]
        table = written(
            tmp_path / "x",
            document,
            (document.rows([GOOD, BAD]), items),
            (document.rows([GOOD, BAD]), later),
        )
        assert table.column("label").to_pylist() == [7, 5, None, 9]
        # A name that is ours is told apart.
        assert table.column("input_digit").to_pylist() == ["z", "x", None, None]
        assert table.column("digit").to_pylist() == [2, None, 2, None]

    def test_another_type_is_refused(self, tmp_path: Path) -> None:
        document, first = PredictionRows(), table_row(0, label=[1])
        with (
            pytest.raises(UsageError, match="column 'label' is int64 in the first input, and str"),
            open_output(tmp_path / "x", document, columns=first.batch.schema) as rows,
        ):
            rows.write(document.rows([GOOD]), [Item("a", row=first)])
            rows.write(document.rows([BAD]), [Item("b", row=table_row(0, label=["1"]))])

    def test_file_that_cannot_be_read_does_not_hide_them(self, cli: Cli, tmp_path: Path) -> None:
        content = (SAMPLES / "7-pen.png").read_bytes()
        pictures = pyarrow.table({"image": [content] * 300, "label": range(300)})
        parquet.write_table(pictures, tmp_path / "good.parquet")
        (tmp_path / "bad.parquet").write_bytes(b"no table")
        paths = (tmp_path / "bad.parquet", tmp_path / "good.parquet")
        done = cli("predict", *paths, "--format", "parquet", "--output", tmp_path / "x")
        assert done.returncode == 1
        table = parquet.read_table(tmp_path / "x")
        assert table.column("digit").to_pylist() == [None] + [7] * 300
        assert table.column("label").to_pylist() == [None, *range(300)]


class TestResume:
    @pytest.mark.parametrize("size", [0.2, 0.5, 0.9, 1.0])
    def test_rows_up_to_the_last_whole_batch_are_kept(self, tmp_path: Path, size: float) -> None:
        document, path = PredictionRows(), tmp_path / "x"
        items = [Item(str(GOOD.path), row=table_row(0, label=[3])), Item(str(BAD.path))]
        batches = [(document.rows([GOOD, BAD]), items)] * 10
        whole = written(path, document, *batches)
        content = partial(path, document, batches)
        partial_path(path).write_bytes(content[: int(len(content) * size)])
        with open_output(path, document, resume=True) as rows:
            done = list(rows.completed)
            assert len(done) % 2 == 0
            assert abs(len(done) / 20 - size) < 0.2
            assert [tuple(row)[:4] for row in done[:2]] == [
                (GOOD.path, 2, pytest.approx(0.9), None),
                (BAD.path, None, None, BAD.error),
            ]
            for batch, some in batches[len(done) // 2 :]:
                rows.write(batch, some)
        assert parquet.read_table(path).equals(whole)
        assert list(tmp_path.iterdir()) == [path]

    def test_complete_file_is_read(self, tmp_path: Path) -> None:
        document, path = PredictionRows(), tmp_path / "x"
        written(path, document, (document.rows([GOOD, BAD]), ITEMS))
        rows = list(completed_rows(path, document, {}))
        assert [row.answer for row in rows] == [2, None]
        assert [row.error for row in rows] == [None, BAD.error]

    def test_no_row_is_an_empty_table(self, tmp_path: Path) -> None:
        table = written(tmp_path / "x", PredictionRows())
        assert table.num_rows == 0
        assert table.schema.names[:2] == ["path", "digit"]

    @pytest.mark.parametrize("content", [b"something else", b"\xff" * 100])
    def test_file_of_another_program_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x"
        partial_path(path).write_bytes(content)
        with (
            pytest.raises(UsageError, match="not what this command writes"),
            open_output(path, PredictionRows(), resume=True),
        ):
            pass
        assert partial_path(path).read_bytes() == content

    def test_rows_that_contradict_one_another_are_refused(self, tmp_path: Path) -> None:
        document, path = PredictionRows(), tmp_path / "x"
        wrong = Prediction("a", 3, 0.9, GOOD.probabilities)
        content = partial(path, document, [(document.rows([wrong]), [Item("a")])])
        partial_path(path).write_bytes(content)
        with (
            pytest.raises(UsageError, match="not what this command writes"),
            open_output(path, document, resume=True) as rows,
        ):
            list(rows.completed)

    def test_readings_are_not_predictions(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        document = ReadingRows()
        written(path, document, (document.rows([Reading("a", None, None, (), "no")]), [Item("a")]))
        with pytest.raises(UsageError, match="not what this command writes"):
            list(completed_rows(path, PredictionRows(), {}))


def partial(path: Path, document: Document[Any], batches: list[tuple[Any, list[Item]]]) -> bytes:
    """What an interrupted run leaves."""
    columns = columns_of(batches)
    with pytest.raises(KeyboardInterrupt), open_output(path, document, columns=columns) as rows:
        for batch, items in batches:
            rows.write(batch, items)
        raise KeyboardInterrupt
    return partial_path(path).read_bytes()
