"""Connected components against scipy's, and which of them are taken for the digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import (
    Box,
    Components,
    bounding_box,
    connected_components,
    select_digit,
)
from mnist_edge.types import Mask


def random_mask(height: int, width: int, density: float, seed: int) -> Mask:
    return np.random.default_rng(seed).random((height, width)) < density


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 0.95), st.integers(0, 2**31))
def test_connected_components_equal_scipys(
    height: int, width: int, density: float, seed: int
) -> None:
    mask = random_mask(height, width, density, seed)
    labels, count = connected_components(mask)
    expected_labels, expected_count = ndimage.label(mask, structure=np.ones((3, 3)))
    assert count == expected_count
    # The same partition, whatever the numbers: pairs of numbers are one to one.
    pairs = {*zip(labels.ravel().tolist(), expected_labels.ravel().tolist(), strict=True)}
    assert len(pairs) == count + (0 if mask.all() else 1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 0.95), st.integers(0, 2**31))
def test_sides_and_areas_of_components_equal_scipys(
    height: int, width: int, density: float, seed: int
) -> None:
    mask = random_mask(height, width, density, seed)
    labels, count = connected_components(mask)
    components = Components.of(BitMask.of(mask))
    assert components.areas().tolist()[1:] == [
        int((labels == label).sum()) for label in range(1, count + 1)
    ]
    sides = components.sides()
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        expected = [rows.start, rows.stop - 1, columns.start, columns.stop - 1]
        assert sides[:, label].tolist() == expected
        kept = np.arange(count + 1) == label
        np.testing.assert_array_equal(components.mask(kept), labels == label)


def test_bounding_box_excludes_its_ends() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[2, 3] = mask[5, 4] = True
    assert bounding_box(mask) == Box(top=2, bottom=6, left=3, right=5)


def test_broken_digit_kept_whole_and_dust_removed() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:14, 15:35] = True  # the bar of a 5, apart
    mask[18:50, 15:22] = True
    mask[50:52, 50:52] = True  # dust
    digit = select_digit(mask)
    assert digit[12, 20]
    assert digit[30, 18]
    assert not digit[50, 50]


@pytest.mark.parametrize("side", ["top", "left"])
def test_edge_component_ignored_when_inner_component_exists(side: str) -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:45, 25:31] = True
    mask[(slice(0, 6), slice(None)) if side == "top" else (slice(None), slice(0, 6))] = True
    digit = select_digit(mask)
    assert digit[30, 28]
    assert not digit[0, 0]


def test_edge_component_kept_when_it_is_the_only_one() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[0:30, 18:23] = True
    np.testing.assert_array_equal(select_digit(mask), mask)


def test_frame_round_a_digit_ignored() -> None:
    mask = np.zeros((80, 80), dtype=bool)
    mask[5:75, 5:75] = True
    mask[9:71, 9:71] = False
    mask[20:60, 37:43] = True
    digit = select_digit(mask)
    assert digit[40, 40]
    assert not digit[6, 6]


def test_loop_with_dust_inside_is_not_a_frame() -> None:
    mask = np.zeros((80, 80), dtype=bool)
    mask[10:70, 15:65] = True
    mask[16:64, 21:59] = False
    mask[36:44, 36:44] = True
    assert select_digit(mask)[12, 40]
