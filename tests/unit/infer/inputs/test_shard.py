"""Shards: every picture is in one of them, whatever the order, on every machine."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from mnist_edge.errors import UsageError
from mnist_edge.inputs.shard import Shard
from mnist_edge.inputs.sources import Item, names_in_list, read_batches
from mnist_edge.inputs.walk import FolderWalk

NAMES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=50)


@given(NAMES, st.integers(1, 9))
def test_every_name_is_in_one_shard(names: list[str], count: int) -> None:
    batches = [[Item(name) for name in names[:7]], [], [Item(name) for name in names[7:]]]
    found = [
        item.name
        for index in range(count)
        for batch in Shard(index, count).of(iter(batches))
        for item in batch
    ]
    assert Counter(found) == Counter(names)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        # By coreutils: printf '%s' NAME | b2sum -l 64
        ("scan-1.png", 0xCB0218E86A30A2B6),
        ("scans.zip/7.png", 0x246FD5594495E629),
        ("a b/é.jpg", 0xEFA9F736B9065972),
    ],
)
def test_shard_of_a_name_is_that_of_its_digest(name: str, digest: int) -> None:
    for count in (1, 2, 7, 100):
        assert [k for k in range(count) if Shard(k, count).has(name)] == [digest % count]


def test_names_that_are_not_utf_8_have_a_shard() -> None:
    assert sum(Shard(index, 3).has("a\udcff.png") for index in range(3)) == 1


@pytest.mark.slow
def test_a_million_names_are_spread_evenly() -> None:
    sizes = Counter(
        index
        for number in range(1_000_000)
        for index in range(4)
        if Shard(index, 4).has(f"scans/{number:07}.png")
    )
    assert sum(sizes.values()) == 1_000_000
    # Four standard deviations of a binomial distribution.
    assert all(abs(size - 250_000) < 4 * 433 for size in sizes.values())


@pytest.mark.parametrize(
    "text", ["4/4", "-1/4", "0/0", "1", "", "a/b", "1/2/3", "0/2000000", "½/2"]
)
def test_no_such_shard(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_names_of_files_are_sorted_by_number() -> None:
    names = [str(Shard(index, 12)) for index in range(12)]
    assert names == sorted(names)
    assert names[3] == "03-of-12"


MANY = 1_000_000


def write_many_names(folder: Path) -> str:
    path = folder / "names.txt"
    path.write_text("".join(f"scans/{number}.png\n" for number in range(MANY)))
    return str(path)


def write_many_rows(folder: Path) -> str:
    path = folder / "scans.parquet"
    contents = pyarrow.array([b"x"] * MANY)
    parquet.write_table(pyarrow.table({"image": contents}), path)
    return str(path)


def write_many_files(folder: Path) -> str:
    (folder / "scans").mkdir()
    for number in range(MANY):
        os.mknod(folder / "scans" / f"{number}.png")
    return str(folder / "scans")


def write_many_members(folder: Path) -> str:
    path = folder / "scans.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MANY):
            archive.writestr(f"{number}.png", b"x")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "write", [write_many_names, write_many_rows, write_many_files, write_many_members]
)
def test_a_million_names_are_each_in_one_shard(
    write: Callable[[Path], str], tmp_path: Path
) -> None:
    """No picture is decoded."""
    path = write(tmp_path)
    is_list = path.endswith(".txt")
    found: list[int] = []
    for number in range(4):
        groups = names_in_list(path, b"\n") if is_list else [[path]]
        batches = read_batches(groups, FolderWalk(recursive=False), globs=False)
        shard = [item.name for batch in Shard(number, 4).of(batches) for item in batch]
        assert len(shard) == pytest.approx(MANY / 4, rel=0.01)
        found += [
            int(re.findall(r"[0-9]+", name.removeprefix(str(tmp_path)))[-1]) for name in shard
        ]
        del shard
    assert sorted(found) == [*range(MANY)]
