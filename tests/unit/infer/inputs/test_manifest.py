"""Names of pictures in a column of a CSV or Parquet file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from mnist_edge import UsageError
from mnist_edge.errors import MissingExtraError
from mnist_edge.inputs.manifest import names_in_table
from mnist_edge.inputs.sources import is_table
from tests.conftest import SAMPLES, Cli

NAMES = ["a.png", 'with "quotes", commas.png', "two\nlines.png", "ä.png", *map(str, range(2_500))]
SUFFIXES = ("csv", "parquet")


def write(path: Path, columns: dict[str, list[Any]]) -> str:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([columns, *zip(*columns.values(), strict=True)])
    else:
        parquet.write_table(pyarrow.table(columns), path, row_group_size=700)
    return str(path)


def read(path: str, column: str | None = None) -> list[str]:
    return [name for names in names_in_table(path, column) for name in names]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("column", ["path", "file_name", "image"])
def test_names_are_in_the_usual_column(suffix: str, column: str, tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"label": list(range(len(NAMES))), column: NAMES}
    file = write(tmp_path / f"x.{suffix}", columns)
    assert read(file) == read(file, column) == NAMES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_column_needs_no_name_and_empty_cells_are_skipped(suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"x.{suffix}", {"scan": ["a.png", "", "b.png"]})
    assert read(file) == ["a.png", "b.png"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("scn", "did you mean 'scan'?"),
        ("zzz", "there is no such column; the columns are 'scan', 'label'"),
        (None, "which column has the names"),
    ],
)
def test_missing_column_is_named(
    suffix: str, column: str | None, message: str, tmp_path: Path
) -> None:
    file = write(tmp_path / f"x.{suffix}", {"scan": ["a.png"], "label": [1]})
    with pytest.raises(UsageError) as raised:
        read(file, column)
    assert message in str(raised.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "other", "missing"])
def test_damaged_parquet_is_an_error_of_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, {"path": NAMES})
    content = path.read_bytes()
    contents = {"truncated": content[:-100], "empty": b"", "other": b"a.png\nb.png\n" * 100}
    path.unlink() if damage == "missing" else path.write_bytes(contents[damage])
    with pytest.raises(UsageError, match=r"--files-from .*x\.parquet: cannot be read") as raised:
        read(str(path))
    assert "\n" not in str(raised.value)


def test_damaged_page_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, {"path": NAMES})
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        read(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path\n"a.png', "unexpected end of data"),
        ("path,label\na.png\n", "line 2 has 1 fields, and the first line 2"),
        ("", "the columns are none"),
    ],
)
def test_damaged_csv_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read(str(path))
    assert message in str(raised.value)


def test_column_of_bytes_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", {"image": [b"\x89PNG"]})
    with pytest.raises(UsageError, match="column 'image' holds binary, not names"):
        read(file)


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"mnist-edge\[arrow\]"):
        read(str(tmp_path / "x.parquet"))


def test_other_suffixes_are_lists() -> None:
    assert [is_table(name) for name in ("a.CSV", "a.parquet", "a.txt", "-", "csv")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_command_predicts_what_the_table_names(
    suffix: str, cli_in_process: Cli, tmp_path: Path
) -> None:
    pictures = sorted(map(str, SAMPLES.glob("*-pen.png")))
    file = write(tmp_path / f"x.{suffix}", {"scan": pictures, "label": list(range(10))})
    options = ("--format", "jsonl", "--workers", "1")
    from_table = cli_in_process("predict", "--files-from", file, "--column", "scan", *options)
    assert from_table.returncode == 0, from_table.stderr
    assert from_table.stdout == cli_in_process("predict", *pictures, *options).stdout
    assert len(from_table.stdout.splitlines()) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--column", "x", "a.png"), "--column: needs a .parquet file, or --files-from"),
        (("--files-from", "x.csv", "-0"), "--null: x.csv is a table, not a list"),
        (("--files-from", "x.csv"), "--files-from x.csv: cannot be read"),
    ],
)
def test_wrong_options(options: tuple[str, ...], message: str, cli_in_process: Cli) -> None:
    done = cli_in_process("predict", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
