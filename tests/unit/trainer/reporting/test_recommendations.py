"""A run without a recommendation, and the text of each rule once its figure is past the bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.model import Model
from mnist_edge_trainer.evaluation.records import ClassScores, Epoch, Evaluation, Int8Evaluation
from mnist_edge_trainer.reporting.recommendations import Facts, recommend
from mnist_edge_trainer.reporting.runs import Run
from tests.unit.trainer.reporting.conftest import CONFIG


@pytest.fixture
def good_run() -> Facts:
    """Small gap, converged, augmented, calibrated, no class worse than another."""
    losses = [0.30, 0.10, 0.06, 0.05, 0.045, 0.043, 0.042, 0.0411, 0.0405, 0.0401]
    history = [
        Epoch(k + 1, loss * 2, 0.97, loss, 0.993, 0.985, 10.0) for k, loss in enumerate(losses)
    ]
    macro = ClassScores("macro", 0.996, 0.996, 0.996, 10_000)
    confusion = [[996 if a == b else int((b - a) % 10 < 5) for b in range(10)] for a in range(10)]
    evaluation = Evaluation(
        model="runs/first",
        split="test",
        dataset="mnist",
        images=10_000,
        accuracy=0.996,
        accuracy_interval=(0.995, 0.997),
        loss=0.012,
        ece=0.002,
        classes=[ClassScores(str(k), 0.996, 0.996, 0.996, 1000) for k in range(10)],
        macro=macro,
        confusion=confusion,
        mistakes=[],
        int8=Int8Evaluation(
            accuracy=0.9958,
            accuracy_interval=(0.995, 0.997),
            loss=0.012,
            ece=0.002,
            macro=macro,
            confusion=confusion,
            file="mnist-edge-int8.onnx",
            bytes=67_101,
        ),
    )
    config = CONFIG | {"epochs": len(losses)}
    run = Run(Path("runs/first"), config, history, datetime.fromtimestamp(0))
    return Facts(run, evaluation, evaluation, 57_050, [0, 1, 2])


def _with(facts: Facts, config: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """The same facts with other options, and other epochs or other scores on both splits."""
    history = changes.pop("history", facts.run.history)
    run = dataclasses.replace(
        facts.run, config=dict(facts.run.config) | (config or {}), history=history
    )
    evaluation = dataclasses.replace(facts.evaluation, **changes)
    return dataclasses.replace(facts, run=run, evaluation=evaluation, test=evaluation)


def _only(facts: Facts) -> str:
    (text,) = recommend(facts)
    return text


def _epochs(facts: Facts, **changes: float | None) -> list[Epoch]:
    return [dataclasses.replace(epoch, **changes) for epoch in facts.run.history]  # type: ignore[arg-type]


def _worse_after(history: Sequence[Epoch], best: int) -> list[Epoch]:
    return [
        epoch if epoch.epoch <= best else dataclasses.replace(epoch, val_loss=0.5)
        for epoch in history
    ]


def test_good_run_has_none(good_run: Facts) -> None:
    assert recommend(good_run) == []


def test_interrupted_run_is_to_be_resumed(good_run: Facts) -> None:
    text = _only(_with(good_run, {"epochs": 40}))
    assert "epoch 10 of 40" in text
    assert "--resume" in text


def test_loss_that_is_still_falling_needs_more_epochs(good_run: Facts) -> None:
    last = dataclasses.replace(good_run.run.history[-1], val_loss=0.0324)  # 20 % below 0.0405
    text = _only(_with(good_run, history=[*good_run.run.history[:-1], last]))
    assert "by 20.0%, to 0.0324" in text
    assert "--epochs 20" in text


def test_one_epoch_needs_more_epochs(good_run: Facts) -> None:
    assert "0.3000" in _only(_with(good_run, {"epochs": 1}, history=good_run.run.history[:1]))


def test_early_stop_needs_fewer_epochs(good_run: Facts) -> None:
    history = _worse_after(good_run.run.history, 5)
    text = _only(_with(good_run, {"epochs": 50, "patience": 5}, history=history))
    assert "The best epoch was 5 of 50" in text
    assert "up to epoch 10" in text


def test_best_epoch_long_before_the_end_needs_fewer_epochs(good_run: Facts) -> None:
    text = _only(_with(good_run, history=_worse_after(good_run.run.history, 5)))
    assert "The best epoch was 5 of 10" in text
    assert "--epochs 6" in text


def test_overfitting_needs_weight_decay_after_augmentation(good_run: Facts) -> None:
    overfitted = _epochs(good_run, train_loss=0.001, train_accuracy=1.0)
    text = _only(_with(good_run, history=overfitted))
    assert "training loss 0.0010, validation loss 0.0401" in text
    assert "--weight-decay" in text
    text = _only(_with(good_run, {"augment": False}, history=overfitted))
    assert "0.0010" in text
    assert "--augment" in text


def test_training_without_augmentation_needs_it(good_run: Facts) -> None:
    history = _epochs(good_run, train_accuracy=0.999)
    text = _only(_with(good_run, {"augment": False}, history=history))
    assert "--augment" in text
    assert "training loss" not in text


def test_network_that_is_no_better_than_the_released_one_is_too_large(good_run: Facts) -> None:
    large = dataclasses.replace(good_run, parameters=1_141_000)
    released = Model.load(None).metadata
    times = round(1_141_000 / int(released["parameters"]))
    assert f"1,141,000 parameters, {times} times" in _only(large)
    accuracy = float(released["test_accuracy"])
    assert recommend(_with(large, accuracy_interval=(accuracy + 0.0003, accuracy + 0.0008))) == []
    assert recommend(_with(large, {"dataset": "kmnist"})) == []


def test_pair_of_classes_that_is_often_confused_is_named(good_run: Facts) -> None:
    matrix = [list(row) for row in good_run.evaluation.confusion]
    matrix[4][9], matrix[9][4] = 9, 4
    text = _only(_with(good_run, confusion=matrix))
    wrong = sum(map(sum, matrix)) - sum(matrix[k][k] for k in range(10))
    assert f"Of {wrong} mistakes, 13 confuse 4 and 9." in text


def test_two_pairs_of_classes_that_are_often_confused_are_named(good_run: Facts) -> None:
    matrix = [list(row) for row in good_run.evaluation.confusion]
    matrix[4][9], matrix[5][3], matrix[7][1] = 19, 16, 14
    assert "19 confuse 4 and 9 and 17 confuse 3 and 5. " in _only(_with(good_run, confusion=matrix))


def test_class_of_the_lowest_recall_is_named(good_run: Facts) -> None:
    classes = [*good_run.evaluation.classes]
    classes[7] = dataclasses.replace(classes[7], recall=0.98)
    text = _only(_with(good_run, classes=classes))
    assert "7 is missed most often: 20 of 1,000" in text


def test_unbalanced_classes_are_named(good_run: Facts) -> None:
    classes = [*good_run.evaluation.classes]
    classes[2] = dataclasses.replace(classes[2], support=90)
    text = _only(_with(good_run, classes=classes))
    assert "90 of 2" in text
    assert "--class-weights balanced" in text
    weighted = _only(_with(good_run, {"class_weights": "balanced"}, classes=classes))
    assert "90 of 2" in weighted
    assert "--class-weights" not in weighted


def test_low_accuracy_on_photographs_needs_more_of_them(good_run: Facts) -> None:
    history = _epochs(good_run, val_photo_accuracy=0.9)
    text = _only(_with(good_run, history=history))
    assert "90.0%" in text
    assert "now 100" in text
    assert "(--photos)" in _only(_with(good_run, {"photos": None}, history=history))


def test_training_without_photographs_needs_them_for_digits_only(good_run: Facts) -> None:
    none = _with(good_run, {"photos": 0}, history=_epochs(good_run, val_photo_accuracy=None))
    assert "--photos 27500" in _only(none)
    assert recommend(_with(none, {"dataset": "fashion-mnist"})) == []


def test_missing_int8_file_is_to_be_exported(good_run: Facts) -> None:
    text = _only(_with(good_run, int8=None))
    assert "export --quantize" in text
    assert "calibrates" not in text
    assert "off by 3.00%" in _only(_with(good_run, ece=0.03, int8=None))


def test_int8_that_loses_accuracy_names_the_class_and_the_loss(good_run: Facts) -> None:
    assert good_run.evaluation.int8 is not None
    matrix = [list(row) for row in good_run.evaluation.confusion]
    matrix[3][3] -= 12
    matrix[3][5] += 12
    int8 = dataclasses.replace(good_run.evaluation.int8, accuracy=0.9948, confusion=matrix)
    text = _only(_with(good_run, int8=int8))
    assert "int8 loses 0.12 percentage points" in text
    assert "in 3 (12 more missed)" in text


def test_confidences_of_int8_that_are_off_need_a_larger_validation_split(good_run: Facts) -> None:
    assert recommend(_with(good_run, ece=0.03)) == []  # the export calibrates the int8 file
    assert good_run.evaluation.int8 is not None
    int8 = dataclasses.replace(good_run.evaluation.int8, ece=0.04)
    text = _only(_with(good_run, int8=int8))
    assert "off by 4.00%" in text
    assert "--val-split" in text


def test_wide_interval_needs_more_images(good_run: Facts) -> None:
    text = _only(_with(good_run, accuracy_interval=(0.96, 0.999), images=300))
    assert "On 300 images" in text
    assert "between 96.0% and 99.9%" in text


def test_single_seed_needs_others(good_run: Facts) -> None:
    assert "Only seed 3" in _only(dataclasses.replace(good_run, seeds=[3]))
