"""Connected pieces, checked against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mnist_edge.preprocess.components import connected_components, select_digit


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 0.95), st.integers(0, 2**31))
def test_label_finds_the_same_pieces_as_scipy(
    height: int, width: int, density: float, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < density
    ours, count = connected_components(mask)
    theirs, expected = ndimage.connected_components(mask, structure=np.ones((3, 3)))
    assert count == expected
    # The same partition, whatever the numbers: pairs of numbers are one to one.
    assert len({*zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True)}) == count + (
        0 if mask.all() else 1
    )


def test_a_broken_digit_is_kept_whole_and_dust_is_not() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:14, 15:35] = True  # the bar of a 5, apart
    mask[18:50, 15:22] = True
    mask[50:52, 50:52] = True  # dust
    kept = select_digit(mask)
    assert kept[12, 20]
    assert kept[30, 18]
    assert not kept[50, 50]


@pytest.mark.parametrize("side", ["top", "left"])
def test_what_lies_along_the_edge_is_not_the_digit_where_another_is(side: str) -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:45, 25:31] = True
    mask[(slice(0, 6), slice(None)) if side == "top" else (slice(None), slice(0, 6))] = True
    kept = select_digit(mask)
    assert kept[30, 28]
    assert not kept[0, 0]


def test_a_digit_that_touches_the_edge_is_kept_where_it_is_all_there_is() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[0:30, 18:23] = True
    np.testing.assert_array_equal(select_digit(mask), mask)
