"""The benchmark measures what it says; no figure of speed is asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mnist_edge import DatasetError, ModelError
from mnist_edge.benchmark import load_test_digits, run_benchmark
from mnist_edge.model import bundled_models
from tests.conftest import Digits
from tests.infer.other_models import brightness
from tests.infer.test_model import graph


def test_rows_are_complete_and_consistent(
    test_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_edge.benchmark._ROUNDS", 2)
    names = sorted(bundled_models())
    digits = (test_digits[0][:500], test_digits[1][:500])
    rows = run_benchmark(names, threads=(1, 2), batch_sizes=(4,), digits=digits)
    assert [(row.model, row.threads) for row in rows] == [(n, t) for n in names for t in (1, 2)]
    assert rows[0].relative == 1
    for row in rows:
        assert row.size_bytes == Path(bundled_models()[row.model]).stat().st_size
        assert 0 < row.latency.p50 <= row.latency.p90 <= row.latency.p99
        assert set(row.throughput) == {4}
        assert row.load_ms > 0
        assert row.accuracy is not None
        assert row.accuracy > 0.98


def test_a_foreign_model_is_fed_as_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onnx import TensorProto

    monkeypatch.setattr("mnist_edge.benchmark._ROUNDS", 1)
    path = tmp_path / "theirs.onnx"
    path.write_bytes(graph(input_name="x", kind=TensorProto.FLOAT, shape=(1, 28, 28, 1)))
    (row,) = run_benchmark([str(path)], batch_sizes=(1, 8))
    assert set(row.throughput) == {1}
    assert row.accuracy is None


def test_accuracy_on_digits_is_that_of_models_that_tell_digits(
    test_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_edge.benchmark._ROUNDS", 1)
    models = {
        "unsaid": graph(),
        "digits": brightness("0123456789"),
        "clothes": brightness("abcdefghij"),
        "three": graph(classes=3),
    }
    for name, content in models.items():
        (tmp_path / name).write_bytes(content)
    rows = run_benchmark(
        [str(tmp_path / name) for name in models],
        batch_sizes=(1,),
        digits=(test_digits[0][:100], test_digits[1][:100]),
    )
    assert [row.accuracy is None for row in rows] == [False, False, True, True]
    assert rows[0].accuracy == (test_digits[1][:100] == 0).mean()


@pytest.mark.parametrize(
    "content",
    [
        graph(shape=("batch", 3, 8, 8)),
        graph(shape=(4, 1, 28, 28)),
        graph(shape=("batch", "c", 28, 28)),
        graph(classes=1),
    ],
    ids=["other pictures", "fixed batch", "unknown size", "one class"],
)
def test_a_model_that_cannot_be_compared_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be compared") as caught:
        run_benchmark([str(path)])
    assert len(str(caught.value)) < 400


def test_the_dataset_is_found_or_done_without(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_test_digits(None) is None
    with pytest.raises(DatasetError):
        load_test_digits(tmp_path)
    found = load_test_digits(samples)
    assert found is not None
    assert np.bincount(found[1]).sum() == 10_000
