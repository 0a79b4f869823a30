"""Median and percentiles against numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnist_edge.preprocess.order_statistics import median, percentile

levels = arrays(np.float32, st.integers(1, 300), elements=st.floats(0, 255, width=16))


@settings(max_examples=300, deadline=None)
@given(levels)
def test_median_equals_numpys(values: np.ndarray) -> None:
    assert median(values) == np.median(values)


@settings(max_examples=300, deadline=None)
@given(levels, st.sampled_from([0.0, 70.0, 80.0, 96.0, 99.5, 100.0]) | st.floats(0, 100))
def test_percentile_equals_numpys(values: np.ndarray, percent: float) -> None:
    # Some versions of numpy compute the position in single precision.
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent), rel=1e-5)
