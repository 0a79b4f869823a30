"""Shards: every picture is in one of them, whatever the order, on every machine."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_edge.errors import UsageError
from mnist_edge.inputs.shard import Shard
from mnist_edge.inputs.sources import Item

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
