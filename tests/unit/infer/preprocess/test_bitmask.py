"""Masks as long integers, against scipy's morphology."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.types import Mask

sides = st.integers(1, 40)
densities = st.floats(0.02, 0.98)
seeds = st.integers(0, 2**31)
SQUARE = np.ones((3, 3), bool)


def random_mask(height: int, width: int, density: float, seed: int) -> Mask:
    return np.random.default_rng(seed).random((height, width)) < density


@settings(max_examples=200, deadline=None)
@given(sides, sides, densities, seeds)
def test_packing_loses_nothing(height: int, width: int, density: float, seed: int) -> None:
    mask = random_mask(height, width, density, seed)
    packed = BitMask.of(mask)
    np.testing.assert_array_equal(packed.unpack(), mask)
    assert packed.count() == mask.sum()


@settings(max_examples=200, deadline=None)
@given(sides, sides, densities, seeds, st.integers(1, 5))
def test_dilation_and_erosion_equal_scipys(
    height: int, width: int, density: float, seed: int, steps: int
) -> None:
    mask = random_mask(height, width, density, seed)
    np.testing.assert_array_equal(
        BitMask.of(mask).dilate(steps).unpack(), ndimage.binary_dilation(mask, SQUARE, steps)
    )
    np.testing.assert_array_equal(
        BitMask.of(mask).erode(steps).unpack(),
        ndimage.binary_erosion(mask, SQUARE, steps, border_value=1),
    )


@settings(max_examples=200, deadline=None)
@given(sides, sides, densities, seeds)
def test_areas_of_erosions_equal_scipys(height: int, width: int, density: float, seed: int) -> None:
    mask = random_mask(height, width, density, seed)
    expected = [int(mask.sum())]
    while expected[-1] and len(expected) <= 6:
        mask = ndimage.binary_erosion(mask, SQUARE)
        expected.append(int(mask.sum()))
    assert BitMask.of(random_mask(height, width, density, seed)).eroded_areas(6) == expected


@pytest.mark.parametrize("seed", range(5))
def test_set_operations_are_those_of_the_pixels(seed: int) -> None:
    one, other = (random_mask(9, 13, 0.5, 2 * seed + i) for i in (0, 1))
    first, second = BitMask.of(one), BitMask.of(other)
    np.testing.assert_array_equal((first & second).unpack(), one & other)
    np.testing.assert_array_equal((first | second).unpack(), one | other)
    np.testing.assert_array_equal((first - second).unpack(), one & ~other)
