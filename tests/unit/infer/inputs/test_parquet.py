"""Parquet files of pictures give every picture, its name, and the other columns of its row."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from mnist_edge.errors import MissingExtraError
from mnist_edge.inputs.sources import Item, Tables, read_batches
from mnist_edge.inputs.walk import FolderWalk
from tests.containers import CONTENTS

ROWS = 2_500
BYTES = [b"picture %d" % number for number in range(ROWS)]
NAMES = [f"{number}.png" for number in range(ROWS)]
LABELS = list(range(ROWS))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(
    columns: dict[str, Any], column: str | None = None, *, with_others: bool = False
) -> list[Item]:
    parquet.write_table(pyarrow.table(columns), "x.parquet", row_group_size=700)
    return items(column, with_others=with_others)


def items(column: str | None = None, *, with_others: bool = False) -> list[Item]:
    batches = read_batches(
        [["x.parquet"]], FolderWalk(recursive=False), tables=Tables(column, with_others)
    )
    return [item for batch in batches for item in batch]


def labels(found: list[Item], name: str = "label") -> list[object]:
    return [
        None if item.row is None else item.row.batch.column(name)[item.row.number].as_py()
        for item in found
    ]


def as_stored(kind: str) -> Any:
    """The pictures as one column, of one of the kinds that are read."""
    if kind == "struct":
        pairs = zip(BYTES, NAMES, strict=True)
        return [{"bytes": content, "path": name} for content, name in pairs]
    return pyarrow.array(BYTES, getattr(pyarrow, kind)())


@pytest.mark.parametrize("kind", ["binary", "large_binary", "struct"])
@pytest.mark.parametrize("column", ["image", "scan"])
def test_pictures_come_with_the_other_columns(kind: str, column: str) -> None:
    found = read({"label": LABELS, column: as_stored(kind), "note": ["x"] * ROWS}, with_others=True)
    assert [item.content for item in found] == BYTES
    index = [f"x.parquet[{number}]" for number in range(ROWS)]
    inside = [f"x.parquet/{name}" for name in NAMES]
    assert [item.name for item in found] == (inside if kind == "struct" else index)
    assert labels(found) == LABELS
    assert found[0].row is not None
    assert found[0].row.batch.schema.names == ["label", "note"]
    # Unless they are asked for, they are not read.
    assert labels(items()) == [None] * ROWS


def test_column_of_names_gives_files() -> None:
    found = read({"file_name": NAMES, "label": LABELS}, with_others=True)
    assert [(item.name, item.content) for item in found] == [(name, None) for name in NAMES]
    assert labels(found) == LABELS


def test_path_without_bytes_is_a_file() -> None:
    (item,) = read({"image": [{"bytes": None, "path": "elsewhere.png"}]})
    assert item == Item("elsewhere.png")


def test_missing_picture_is_an_error_in_its_row() -> None:
    found = read({"image": pyarrow.array([b"a", None, b""]), "label": [1, 2, 3]}, with_others=True)
    assert [item.content for item in found] == [b"a", None, b""]
    assert found[1].error == "x.parquet[1]: no picture in this row"
    assert labels(found) == [1, 2, 3]


def test_text_of_a_dictionary_becomes_plain() -> None:
    kinds = pyarrow.array(["a", "b", "a"]).dictionary_encode()
    found = read({"image": [b"1", b"2", b"3"], "kind": kinds}, with_others=True)
    assert labels(found, "kind") == ["a", "b", "a"]
    assert found[0].row is not None
    assert found[0].row.batch.schema.field("kind").type == pyarrow.string()


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"image": [b"1"], "label": [1]}, "imag", "did you mean 'image'?"),
        ({"image": [b"1"], "label": [1]}, "label", "--column label: holds no pictures"),
        ({"label": [1]}, None, "which column has the pictures, nor names of files?"),
        ({"one": [b"1"], "two": [b"2"]}, None, "which column has the pictures?"),
        ({"one": ["1"], "two": ["2"]}, None, "which column has the"),
    ],
)
def test_missing_column_is_named(columns: dict[str, Any], column: str | None, message: str) -> None:
    (item,) = read(columns, column)
    assert item.error is not None
    assert message in item.error
    assert "the columns are" in item.error


def test_damaged_file_gives_its_pictures_or_an_error(folder: Path) -> None:
    """Each byte may be another: no crash, no exception, no endless row."""
    read({"image": [*CONTENTS] * 20, "label": list(range(20 * len(CONTENTS)))})
    path = folder / "x.parquet"
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        found = items(with_others=True)
        assert len(found) <= 20 * len(CONTENTS) + 1
        assert all("\n" not in item.error for item in found if item.error)
    for size in (0, 3, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        (item,) = items()
        assert item.error is not None
        assert item.error.startswith("x.parquet: ")


def test_bomb_is_refused() -> None:
    zeros = pyarrow.table({"image": [bytes(1 << 20)] * 300})
    parquet.write_table(zeros, "x.parquet", compression="zstd", use_dictionary=False)
    (item,) = items()
    assert (
        item.error == "x.parquet: unpacks to more than 200 times its size, which is not safe "
        "to read"
    )


def test_without_pyarrow_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "x.parquet").touch()
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"mnist-edge\[arrow\]"):
        items()
