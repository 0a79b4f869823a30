"""Queries of a plan, and the calls that they become."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import DatasetError
from mnist_edge.bench.scenarios import (
    Plan,
    Scenario,
    example_images,
    load_test_digits,
    make_call,
    workloads,
)
from mnist_edge.bench.targets import BenchTarget, TargetSpec
from mnist_edge.classifier import DigitClassifier, Prediction
from tests.conftest import SAMPLES, Digits
from tests.unit.infer.test_model import graph

INT8 = TargetSpec("mnist-edge-int8")


def test_number_of_pictures_that_scenarios_share_is_measured_once() -> None:
    plan = Plan((INT8,), batch_sizes=(1, 8, 32, 8))
    assert plan.queries == [
        (Scenario.SINGLE_STREAM, 1),
        (Scenario.MULTI_STREAM, 8),
        (Scenario.OFFLINE, 32),
        (Scenario.END_TO_END, 1),
    ]
    offline = dataclasses.replace(plan, scenarios=(Scenario.OFFLINE,))
    assert [count for _, count in offline.queries] == [1, 8, 32]


def test_every_scenario_predicts_the_same_pictures(test_digits: Digits) -> None:
    images, labels = test_digits[0][:8], test_digits[1][:8]
    target = BenchTarget.load(*INT8)
    for workload in workloads(Plan((INT8,)), [target]):
        result = make_call(target, workload, images, SAMPLES / "7-mnist.png")()
        if workload.scenario is Scenario.END_TO_END:
            assert isinstance(result, Prediction)
            assert result.digit == 7
        else:
            digits = np.asarray(result).argmax(axis=1)
            np.testing.assert_array_equal(digits, np.resize(labels, workload.pictures))


def test_fixed_batch_is_called_as_often_as_the_query_needs(tmp_path: Path) -> None:
    path = tmp_path / "one.onnx"
    path.write_bytes(graph(input_name="x", shape=(1, 1, 28, 28)))
    target = BenchTarget.load(str(path))
    planned = workloads(Plan((INT8,)), [target])
    assert [workload.pictures for workload in planned] == [1, 8, 32, 256]
    sizes: list[int] = []
    spy = dataclasses.replace(target)
    object.__setattr__(spy, "run", lambda feed: sizes.append(len(feed["x"])))
    make_call(spy, planned[1], example_images(None), None)()
    assert sizes == [1] * 8


def test_query_that_a_fixed_batch_does_not_divide_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "eight.onnx"
    path.write_bytes(graph(input_name="x", shape=(8, 1, 28, 28)))
    planned = workloads(Plan((INT8,)), [BenchTarget.load(str(path))])
    assert [workload.pictures for workload in planned] == [8, 32, 256]


def test_example_without_a_dataset_is_a_zero() -> None:
    (image,) = example_images(None)
    assert DigitClassifier().predict(image).digit == 0


def test_dataset_is_optional_unless_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_test_digits(None) is None
    with pytest.raises(DatasetError):
        load_test_digits(tmp_path)
