"""Batches adapt to the time they take, travel unchanged, and keep their order."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge.batch.batching import AdaptiveBatchSize, pack, unpack
from mnist_edge.inputs.sources import Item


def items(count: int) -> list[Item]:
    return [Item(str(number)) for number in range(count)]


def test_fast_batches_grow_and_slow_ones_shrink() -> None:
    size = AdaptiveBatchSize(largest=8)
    sizes = []
    for seconds in (0.001, 0.001, 0.001, 0.001, 0.05, 0.2, 0.2, 0.2, 0.2):
        size.update(seconds)
        sizes.append(size.size)
    assert sizes == [2, 4, 8, 8, 8, 4, 2, 1, 1]


def test_split_keeps_order_and_passes_on_empty_batches() -> None:
    size = AdaptiveBatchSize()
    batches = []
    for batch in size.split(iter([items(5), [], items(2)])):
        batches.append([item.name for item in batch])
        size.size = 2
    assert batches == [["0"], ["1", "2"], ["3", "4"], [], ["0", "1"]]


@pytest.mark.parametrize(
    "batch",
    [
        items(3),
        [Item("a", np.full((4, 5), 1, np.uint8)), Item("b", np.full((4, 5), 2, np.uint8))],
        [Item("a", np.zeros((4, 5), np.uint8)), Item("b", np.zeros((5, 4), np.uint8))],
        [Item("a", b"content"), Item("b"), Item("c", error="c: no picture in it")],
    ],
    ids=["files", "equal arrays", "unequal arrays", "mixed"],
)
def test_a_batch_arrives_as_it_was_packed(batch: list[Item]) -> None:
    packed = pack(batch)
    arrived = packed if isinstance(packed, list) else unpack(*packed)
    for item, expected in zip(arrived, batch, strict=True):
        assert (item.name, item.error) == (expected.name, expected.error)
        np.testing.assert_array_equal(item.content, expected.content)
