"""A server under requests, a tenth of them bad: in short what `tests/benchmarks/soak.py` does."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.serving import ours, serving
from tests.benchmarks.soak import soak


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory and descriptors from /proc")
def test_bad_requests_harm_no_good_ones() -> None:
    with serving(*ours()) as (url, pid):
        soaked = soak(url, pid, 3_000)
    assert soaked.wrong == 0
    assert {status for _, status in soaked.statuses} <= {0, 200, 400, 413, 415}
    assert soaked.statuses["good", 200] > 2_500
    # The first tenth opens what a server keeps open.
    assert soaked.descriptors[-1] <= soaked.descriptors[1]
