"""Masks as runs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.runs import Runs
from tests.unit.infer.preprocess.test_bitmask import densities, random_mask, seeds, sides


@settings(max_examples=200, deadline=None)
@given(sides, sides, densities, seeds)
def test_runs_are_the_stretches_of_ink_row_by_row(
    height: int, width: int, density: float, seed: int
) -> None:
    mask = random_mask(height, width, density, seed)
    runs = Runs.of(BitMask.of(mask))
    expected = []
    for row, pixels in enumerate(mask.tolist()):
        for x, (before, pixel) in enumerate(zip([False, *pixels], pixels, strict=False)):
            if pixel and not before:
                stop = [*pixels[x:], False].index(False) + x
                expected.append((row * (width + 1) + x, row * (width + 1) + stop))
    assert list(zip(runs.starts.tolist(), runs.stops.tolist(), strict=True)) == expected
    assert_array_equal(runs.paint(runs.starts >= 0), mask)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 20), sides, densities, seeds)
def test_touching_runs_share_a_side_or_a_corner(
    height: int, width: int, density: float, seed: int
) -> None:
    runs = Runs.of(BitMask.of(random_mask(height, width, density, seed)))
    first, end = runs.touching_above()
    for i, (start, stop) in enumerate(zip(runs.starts, runs.stops, strict=True)):
        expected = [
            j
            for j, (above, above_stop) in enumerate(zip(runs.starts, runs.stops, strict=True))
            if above // runs.stride == start // runs.stride - 1
            and above % runs.stride <= (stop - 1) % runs.stride + 1
            and (above_stop - 1) % runs.stride + 1 >= start % runs.stride
        ]
        assert list(range(first[i], end[i])) == expected
