"""Training: it learns, it repeats itself exactly, and an interruption changes nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mnist_edge import TrainingError, UsageError
from mnist_edge_trainer.architectures.registry import ARCHITECTURES, Architecture, build
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.synthetic.dataset import NEGATIVE, Photos, SyntheticDataset
from mnist_edge_trainer.training.callbacks import StepReport
from mnist_edge_trainer.training.checkpoint import (
    DataFacts,
    EpochRecord,
    RunFolder,
    load_checkpoint,
)
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import TrainResult, train
from mnist_edge_trainer.training.trainer import predict_logits
from mnist_edge_trainer.training.training_data import PhotoSet, TrainingData
from tests.unit.trainer.conftest import SILENT, VALIDATION

CONFIG = TrainConfig(epochs=3, val_split=VALIDATION)


class RecordingCallback:
    """Records the steps; interrupts the run after an epoch, if one is given."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.interrupt_after = interrupt_after
        self.steps: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:  # noqa: ARG002 - a protocol's
        if record["epoch"] == self.interrupt_after:
            raise KeyboardInterrupt


def run(
    folder: Path, data: TrainingData, config: TrainConfig = CONFIG, **options: Any
) -> TrainResult:
    options = {"callback": SILENT} | options
    return train(config, data, RunFolder(folder), device=torch.device("cpu"), **options)


def same_weights(one: Path, other: Path, file: str = "best.pt") -> bool:
    first, second = (load_checkpoint(folder / file).weights for folder in (one, other))
    return all(torch.equal(first[name], second[name]) for name in first)


def test_same_seed_gives_same_weights_and_another_seed_others(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        run(tmp_path / name, mnist_subset, replace(CONFIG, seed=seed))
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert not same_weights(tmp_path / "one", tmp_path / "three")


def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    run(tmp_path / "whole", mnist_subset)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", mnist_subset, callback=RecordingCallback(interrupt_after=2))
    assert load_checkpoint(tmp_path / "broken" / "last.pt").epoch == 2
    callback = RecordingCallback()
    run(tmp_path / "broken", mnist_subset, callback=callback, resume=True)
    assert {step.epoch for step in callback.steps} == {3}
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "last.pt")
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "best.pt")


class WhiteBars(SyntheticDataset):
    """Stands in for photographs, which take seconds to render: white bars, and empty negatives."""

    def chunk(self, number: int) -> Photos:  # noqa: ARG002 - all are alike
        images = np.zeros((40, 28, 28), np.uint8)
        images[:20, 10:18] = 255
        return Photos(images, np.repeat([0, NEGATIVE], 20))

    def stream(self, count: int, workers: int = 1) -> Generator[Photos]:  # noqa: ARG002
        yield from map(self.chunk, range(count))


def test_photographs_are_learned_and_negatives_get_a_low_confidence(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    training = mnist_subset.training
    dataset = WhiteBars(training.images[:, 0].numpy(), training.labels.numpy())
    bars = Digits.of(dataset.chunk(0).images[:20], np.zeros(20, np.int64))
    data = replace(mnist_subset, photos=PhotoSet(dataset, bars))
    config = replace(CONFIG, photos=1_000, augment=False)
    result = run(tmp_path / "whole", data, config)
    assert result.history[-1]["val_photo_accuracy"] == 1.0
    network = load_checkpoint(tmp_path / "whole" / "best.pt").network()
    blank = torch.softmax(predict_logits(network, torch.zeros(1, 1, 28, 28)), dim=1)
    assert float(blank.max()) < 0.3

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", data, config, callback=RecordingCallback(interrupt_after=2))
    run(tmp_path / "broken", data, config, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "last.pt")


def test_run_folder_holds_config_and_history(tmp_path: Path, mnist_subset: TrainingData) -> None:
    result = run(tmp_path, mnist_subset)
    config = json.loads((tmp_path / "config.json").read_text())
    assert TrainConfig(**config) == CONFIG
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert result.best.epoch == int(best["epoch"])
    assert result.best.val_loss == float(best["val_loss"])
    assert float(rows[-1]["lr"]) < CONFIG.lr / 100


def test_weights_kept_are_those_that_were_validated(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    result = run(tmp_path, mnist_subset)
    network = build(CONFIG.arch)
    network.load_state_dict(load_checkpoint(tmp_path / "best.pt").weights)
    logits = predict_logits(network, mnist_subset.validation.images)
    accuracy = (logits.argmax(dim=1) == mnist_subset.validation.labels).float().mean()
    assert float(accuracy) == pytest.approx(result.best.val_accuracy)
    assert accuracy > 0.9


def test_stops_early_when_validation_no_longer_improves(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    # Random labels: after the start, nothing can be learned about the validation split.
    training = mnist_subset.training
    shuffled = Digits(training.images, training.labels[torch.randperm(len(training))])
    config = replace(CONFIG, epochs=40, patience=2, augment=False)
    result = run(tmp_path, replace(mnist_subset, training=shuffled), config)
    assert result.stopped_early
    assert len(result.history) == result.best.epoch + 2 < 40


def test_diverged_run_is_an_error_and_keeps_its_last_checkpoint(
    tmp_path: Path, mnist_subset: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(CONFIG.arch)
    monkeypatch.setitem(ARCHITECTURES, CONFIG.arch, Architecture(lambda _: network, ""))

    class Poison(RecordingCallback):
        def on_epoch(self, record: EpochRecord, is_best: bool) -> None:  # noqa: ARG002
            for parameter in network.parameters():
                parameter.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"no longer finite in epoch 2.*smaller --lr.*last\.pt"):
        run(tmp_path, mnist_subset, callback=Poison())
    assert load_checkpoint(tmp_path / "last.pt").epoch == 1


IN_FULL = ("small", "mlp")
"""One of each kind: our convolutions, no convolution."""


@pytest.mark.parametrize("arch", sorted(set(ARCHITECTURES) - set(IN_FULL)))
def test_loss_of_other_architectures_falls_in_20_steps(
    tmp_path: Path, mnist_subset: TrainingData, arch: str
) -> None:
    epochs, callback = 4, RecordingCallback()
    data = TrainingData(mnist_subset.training[:160], mnist_subset.validation[:100])
    config = replace(CONFIG, arch=arch, epochs=epochs, batch_size=32, augment=False)
    run(tmp_path, data, config, callback=callback)
    # A report has the running mean of its epoch.
    losses = np.concatenate(
        [
            np.diff([0.0, *(r.loss * r.step for r in callback.steps if r.epoch == epoch)])
            for epoch in range(1, epochs + 1)
        ]
    )
    assert len(losses) == 20
    assert losses[-5:].mean() < 0.95 * losses[:5].mean()


@pytest.mark.parametrize(
    "arch",
    [
        pytest.param(arch, marks=() if arch in IN_FULL else pytest.mark.slow)
        for arch in sorted(ARCHITECTURES)
    ],
)
def test_every_architecture_learns(tmp_path: Path, mnist_subset: TrainingData, arch: str) -> None:
    epochs = 4 if arch == "ensemble" else 10  # three networks: enough is learned sooner
    result = run(tmp_path, mnist_subset, replace(CONFIG, arch=arch, epochs=epochs))
    assert result.best.val_accuracy > 0.85


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam", "lr": 2e-3, "weight_decay": 0.0},
        {"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4},
        {"schedule": "constant", "lr": 1e-3},
        {"ema_decay": 0.0},
    ],
)
def test_every_optimizer_and_schedule_learns(
    tmp_path: Path, mnist_subset: TrainingData, options: dict[str, Any]
) -> None:
    config = replace(CONFIG, arch="lenet", epochs=6, augment=False, **options)
    result = run(tmp_path, mnist_subset, config)
    assert result.best.val_accuracy > 0.85
    rates = {record["lr"] for record in result.history}
    assert (len(rates) == 1) is (config.schedule == "constant")


def test_fine_tuning_starts_from_the_given_weights(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    before = run(tmp_path / "before", mnist_subset, replace(CONFIG, arch="lenet", epochs=6)).best
    gentle = replace(CONFIG, arch="lenet", epochs=1, lr=1e-5, ema_decay=0.0)
    after = run(tmp_path / "after", mnist_subset, gentle, init_from=before).best
    assert after.val_accuracy == pytest.approx(before.val_accuracy, abs=0.02)
    with pytest.raises(UsageError, match="to start from has lenet"):
        run(tmp_path / "other", mnist_subset, replace(CONFIG, epochs=1), init_from=before)


def test_fine_tuning_for_other_classes_keeps_all_but_the_last_layer(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    before = run(tmp_path / "before", mnist_subset, replace(CONFIG, arch="lenet", epochs=6)).best
    training, validation = (
        Digits(part.images, part.labels % 2)
        for part in (mnist_subset.training, mnist_subset.validation)
    )
    facts = DataFacts("parity", ("even", "odd"), "", "2")
    config = replace(CONFIG, arch="lenet", epochs=1, lr=1e-6, ema_decay=0.0)
    data = TrainingData(training, validation, facts=facts)
    after = run(tmp_path / "after", data, config, init_from=before).best
    assert after.data == load_checkpoint(tmp_path / "after" / "best.pt").data == facts
    kept = [name for name in before.weights if not name.startswith("classifier.5")]
    for name in kept:
        torch.testing.assert_close(after.weights[name], before.weights[name], atol=1e-3, rtol=0)
    assert len(kept) == len(before.weights) - 2
    assert after.network()(torch.zeros(1, 1, 28, 28)).shape == (1, 2)


def test_batch_larger_than_the_training_set_is_refused(
    tmp_path: Path, mnist_subset: TrainingData
) -> None:
    with pytest.raises(UsageError, match="--batch-size 5000: larger"):
        run(tmp_path, mnist_subset, replace(CONFIG, batch_size=5_000))


@pytest.mark.parametrize(("steps", "trains"), [(2, False), (3, True), (10, True)])
def test_schedule_needs_three_steps(
    tmp_path: Path, mnist_subset: TrainingData, steps: int, trains: bool
) -> None:
    config = replace(CONFIG, epochs=1, batch_size=len(mnist_subset.training) // steps)
    if trains:
        assert len(run(tmp_path, mnist_subset, config).history) == 1
    else:
        with pytest.raises(UsageError, match="only 2 steps"):
            run(tmp_path, mnist_subset, config)
