"""Output is complete or resumable, whatever ends the program, and never written by two at once."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

import pytest

from mnist_edge import OutputError, UsageError
from mnist_edge.outputs.completed_rows import read_rows
from mnist_edge.outputs.formats import Format, Formatter
from mnist_edge.outputs.resumable import (
    Settings,
    is_complete,
    open_output,
    options_path,
    partial_path,
)
from tests.unit.infer.outputs.test_formats import BAD, EXPECTED, GOOD, written

TEXTS = [kind for kind in Format if kind is not Format.PARQUET]


def test_interrupted_json_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    formatter = Formatter(Format.JSON)
    with pytest.raises(KeyboardInterrupt), open_output(None, formatter) as rows:
        rows.write(formatter.rows([GOOD]))
        raise KeyboardInterrupt
    assert json.loads(capsys.readouterr().out) == EXPECTED[:1]


@pytest.mark.parametrize("kind", TEXTS)
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


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("other", TEXTS)
def test_second_writer_of_a_file_is_refused(tmp_path: Path, kind: Format, other: Format) -> None:
    path, formatter = tmp_path / "answers", Formatter(kind)
    with open_output(path, formatter) as rows:
        rows.write(formatter.rows([GOOD]))
        with (
            pytest.raises(OutputError, match="another mnist-edge"),
            open_output(path, Formatter(other)),
        ):
            pass
    assert path.read_text() == written(kind, [GOOD])
    assert list(tmp_path.iterdir()) == [path]


def test_writer_that_waited_for_a_name_to_be_given_away_starts_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the partial file and locking it, the program before may have renamed it."""
    path, formatter = tmp_path / "answers", Formatter(Format.JSONL)
    lock = fcntl.flock
    renamed: list[Path] = []

    def late(file: IO[str], how: int) -> None:
        if not renamed:
            renamed.append(partial_path(path).rename(path))
            path.write_text("of the other program\n")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with open_output(path, formatter) as rows:
        assert path.read_text() == "of the other program\n"
        rows.write(formatter.rows([GOOD]))
    assert path.read_text() == written(Format.JSONL, [GOOD])


SETTINGS: Settings = {"--format": "jsonl", "--model": "abc", "--min-confidence": 0.5, "--top-k": 1}


def interrupted(path: Path, formatter: Formatter, settings: Settings) -> None:
    """Leaves a partial file of one row."""
    with (
        pytest.raises(KeyboardInterrupt),
        open_output(path, formatter, settings=settings) as rows,
    ):
        rows.write(formatter.rows([GOOD]))
        raise KeyboardInterrupt


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("--model", "abd"), ("--min-confidence", 0.4), ("--top-k", 2), ("preprocessing", 9)],
    )
    def test_rows_of_other_options_are_not_continued(
        self, tmp_path: Path, name: str, value: str | float
    ) -> None:
        path, formatter = tmp_path / "answers", Formatter(Format.JSONL)
        interrupted(path, formatter, SETTINGS)
        before = partial_path(path).read_bytes()
        with (
            pytest.raises(UsageError, match=f"started with another {name}; use the same"),
            open_output(path, formatter, settings={**SETTINGS, name: value}, resume=True) as rows,
        ):
            rows.write(formatter.rows([GOOD]))
        assert partial_path(path).read_bytes() == before
        assert not path.exists()

    def test_started_anew_the_options_are_the_new_ones(self, tmp_path: Path) -> None:
        path, formatter = tmp_path / "answers", Formatter(Format.JSONL)
        interrupted(path, formatter, {**SETTINGS, "--top-k": 3})
        interrupted(path, formatter, SETTINGS)
        with open_output(path, formatter, settings=SETTINGS, resume=True) as rows:
            assert len(list(rows.completed)) == 1
            rows.write(formatter.rows([BAD]))
        assert path.read_text() == written(Format.JSONL, [GOOD, BAD])
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("content", ["", "{", "[]", "7", "\xff", "[" * 100_000])
    def test_damaged_record_of_the_options_is_one_line(self, tmp_path: Path, content: str) -> None:
        path, formatter = tmp_path / "answers", Formatter(Format.JSONL)
        interrupted(path, formatter, SETTINGS)
        options_path(path).write_text(content, encoding="latin-1")
        with (
            pytest.raises(UsageError, match="cannot be read"),
            open_output(path, formatter, settings=SETTINGS, resume=True),
        ):
            pass

    def test_rows_of_an_earlier_version_are_continued_where_they_agree(
        self, tmp_path: Path
    ) -> None:
        """It left no record of its options."""
        path, formatter = tmp_path / "answers", Formatter(Format.JSONL)
        interrupted(path, formatter, SETTINGS)
        options_path(path).unlink()
        with (
            pytest.raises(UsageError, match="not what this command writes"),
            open_output(path, formatter, settings={"--min-confidence": 0.95}, resume=True),
        ):
            pass
        with open_output(path, formatter, settings=SETTINGS, resume=True) as rows:
            rows.write(formatter.rows([BAD]))
        assert path.read_text() == written(Format.JSONL, [GOOD, BAD])


def test_partial_file_decides_whatever_lies_under_the_name(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    assert not is_complete(path)
    path.touch()
    assert is_complete(path)
    partial_path(path).touch()
    assert not is_complete(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert not is_complete(link)
    partial_path(path).unlink()
    assert is_complete(link)
    assert not is_complete(Path(os.devnull))


@pytest.mark.parametrize("kind", TEXTS)
def test_error_names_the_output_that_cannot_be_written(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "no" / "such" / "folder.csv"
    with (
        pytest.raises(OutputError, match=r"folder\.csv"),
        open_output(path, Formatter(kind)),
    ):
        pass
