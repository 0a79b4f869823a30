"""New processes: what they measure, and how their errors come back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import MnistEdgeError, ModelError
from mnist_edge.bench.cold_start import call_in_new_process, measure_start, time_program
from mnist_edge.bench.process_run import run_process
from mnist_edge.bench.scenarios import Plan, Scenario, workloads
from mnist_edge.bench.targets import BenchTarget, TargetSpec
from mnist_edge.bench.timing import REFERENCE_FILES
from mnist_edge.runtime import CPU_PROVIDER

INT8 = TargetSpec("mnist-edge-int8")


def test_worker_process_measures_what_this_process_does(tmp_path: Path) -> None:
    plan = Plan((INT8,), scenarios=(Scenario.OFFLINE,), batch_sizes=(2,), rounds=2, slot_ms=0.1)
    plan = dataclasses.replace(plan, image=tmp_path / "unused.png")
    here, there = run_process(plan, 0), call_in_new_process(run_process, plan, 0)
    assert list(here.times) == list(there.times) == workloads(plan, [BenchTarget.load(*INT8)])
    assert set(there.references) == set(REFERENCE_FILES)
    assert all(len(rounds) == 2 for rounds in there.times.values())


def test_error_of_ours_is_raised_again(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match=r"missing\.onnx"):
        call_in_new_process(measure_start, missing, 1, CPU_PROVIDER, {}, 0.0)


def test_any_other_error_is_one_line() -> None:
    feed = {"nothing": np.zeros(1)}
    with pytest.raises(MnistEdgeError, match="failed in a new process") as caught:
        call_in_new_process(measure_start, INT8.name, 1, CPU_PROVIDER, feed, 0.0)
    assert "\n" not in str(caught.value)


def test_failing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"`mnist-edge predict` failed with it \(.*missing\.png"):
        time_program(INT8.name, 1, tmp_path / "missing.png")
