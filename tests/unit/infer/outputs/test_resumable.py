"""Output is complete or resumable, whatever ends the program, and never written by two at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnist_edge import OutputError, UsageError
from mnist_edge.outputs.completed_rows import read_rows
from mnist_edge.outputs.formats import Format, Formatter
from mnist_edge.outputs.resumable import open_output, partial_path
from tests.unit.infer.outputs.test_formats import BAD, EXPECTED, GOOD, written


def test_interrupted_json_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    formatter = Formatter(Format.JSON)
    with pytest.raises(KeyboardInterrupt), open_output(None, formatter) as rows:
        rows.write(formatter.rows([GOOD]))
        raise KeyboardInterrupt
    assert json.loads(capsys.readouterr().out) == EXPECTED[:1]


@pytest.mark.parametrize("kind", Format)
def test_output_file_appears_only_when_complete(tmp_path: Path, kind: Format) -> None:
    path, formatter = tmp_path / "answers", Formatter(kind)
    path.write_text("earlier\n")
    with pytest.raises(KeyboardInterrupt), open_output(path, formatter) as rows:
        rows.write(formatter.rows([GOOD]))
        raise KeyboardInterrupt
    assert path.read_text() == "earlier\n"
    # A file that can be resumed stays.
    assert partial_path(path).exists() == kind.is_resumable
    with open_output(path, formatter) as rows:
        rows.write(formatter.rows([BAD]))
    assert path.read_text() == written(kind, [BAD])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [Format.JSONL, Format.CSV])
@pytest.mark.parametrize("rows_lost", [0, 1, 2])
def test_partial_file_is_resumed_after_its_last_complete_row(
    tmp_path: Path, kind: Format, rows_lost: int
) -> None:
    path, formatter = tmp_path / "answers", Formatter(kind)
    complete = (formatter.header + formatter.rows([GOOD, BAD, GOOD, BAD])).encode()
    left = (formatter.header + formatter.rows([GOOD, BAD, GOOD, BAD][: 4 - rows_lost])).encode()
    # Ten bytes into the next row, where there is one.
    partial_path(path).write_bytes(complete[: len(left) + 10])
    with open_output(path, formatter, resume=True) as rows:
        done = [tuple(row)[:4] for row in rows.completed]
        expected = [
            (GOOD.path, 2, 0.9, None),
            ("bad.png", None, None, "bad.png: the file is empty"),
        ]
        assert done == (expected * 2)[: 4 - rows_lost]
        rows.write(formatter.rows([GOOD, BAD, GOOD, BAD][len(done) :]))
    assert path.read_bytes() == complete


def test_partial_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    partial_path(path).write_text("something\nelse\n")
    for kind in (Format.JSONL, Format.CSV):
        with pytest.raises(UsageError, match=r"answers\.partial: not what this command writes"):
            list(read_rows(partial_path(path), Formatter(kind)))


def test_second_writer_of_a_file_is_refused(tmp_path: Path) -> None:
    formatter = Formatter(Format.JSONL)
    with (
        open_output(tmp_path / "answers", formatter),
        pytest.raises(OutputError, match="another mnist-edge"),
        open_output(tmp_path / "answers", formatter),
    ):
        pass


@pytest.mark.parametrize("kind", Format)
def test_error_names_the_output_that_cannot_be_written(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "no" / "such" / "folder.csv"
    with (
        pytest.raises(OutputError, match=r"folder\.csv"),
        open_output(path, Formatter(kind)),
    ):
        pass
