"""Training: it learns, it repeats itself exactly, and an interruption changes nothing."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mnist_edge import TrainingError, UsageError
from mnist_edge_trainer.architectures.registry import ARCHITECTURES, Architecture, build
from mnist_edge_trainer.data.splits import Digits, load_digits, split_training
from mnist_edge_trainer.synthetic.dataset import NEGATIVE, Photos, SyntheticDataset
from mnist_edge_trainer.training.checkpoint import (
    DataFacts,
    EpochRecord,
    RunFolder,
    load_checkpoint,
)
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import (
    PhotoSet,
    StepReport,
    TrainResult,
    pick_device,
    predict_logits,
    train,
)

CONFIG = TrainConfig(epochs=3, val_split=1_000)
CPU = torch.device("cpu")


class Quiet:
    def __init__(self, interrupt_after: int | None = None) -> None:
        self.interrupt_after = interrupt_after
        self.steps: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)

    def on_epoch(self, record: EpochRecord, _is_best: bool) -> None:
        if record["epoch"] == self.interrupt_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def parts() -> tuple[Digits, Digits]:
    """2,560 real images to train on and 1,000 to validate with."""
    from tests.conftest import SAMPLES

    training, validation = split_training(load_digits(SAMPLES, "train"), CONFIG.val_split)
    return training[:2_560], validation


def run(
    folder: Path, parts: tuple[Digits, Digits], config: TrainConfig = CONFIG, **options: object
) -> TrainResult:
    options = {"observer": Quiet()} | options
    return train(config, *parts, RunFolder(folder), device=CPU, **options)  # type: ignore[arg-type]


def same_weights(one: Path, other: Path, file: str = "best.pt") -> bool:
    a, b = (load_checkpoint(folder / file).weights for folder in (one, other))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        run(tmp_path / name, parts, replace(CONFIG, seed=seed))
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert not same_weights(tmp_path / "one", tmp_path / "three")


def test_resumed_after_an_interruption_it_ends_the_same(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    run(tmp_path / "whole", parts)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", parts, callback=Quiet(interrupt_after=2))
    assert load_checkpoint(tmp_path / "broken" / "last.pt").epoch == 2
    callback = Quiet()
    run(tmp_path / "broken", parts, callback=callback, resume=True)
    assert {step.epoch for step in callback.steps} == {3}
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "last.pt")
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "best.pt")


class _Shapes(SyntheticDataset):
    """Stands in for photographs, which take seconds to make: digits of white, and no digits."""

    def chunk(self, _: int) -> Photos:
        images = np.zeros((40, 28, 28), np.uint8)
        images[:20, 10:18] = 255
        return Photos(images, np.repeat([0, NEGATIVE], 20))


def test_photographs_are_learnt_and_what_is_no_digit_is_not_told_for_one(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    pool = _Shapes(parts[0].images[:, 0].numpy(), parts[0].labels.numpy())
    photos = PhotoSet(pool, Digits.of(pool.chunk(0).images[:20], np.zeros(20, np.int64)))
    config = replace(CONFIG, photos=1_000, augment=False)
    result = run(tmp_path / "whole", parts, config, photos=photos)
    assert result.history[-1]["val_photo_accuracy"] == 1.0
    network = load_checkpoint(tmp_path / "whole" / "best.pt").network()
    blank = torch.softmax(predict_logits(network, torch.zeros(1, 1, 28, 28)), dim=1)
    assert float(blank.max()) < 0.3

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", parts, config, photos=photos, callback=Quiet(interrupt_after=2))
    run(tmp_path / "broken", parts, config, photos=photos, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "broken", "last.pt")


def test_the_runs_folder_says_what_happened(tmp_path: Path, parts: tuple[Digits, Digits]) -> None:
    result = run(tmp_path, parts)
    config = json.loads((tmp_path / "config.json").read_text())
    assert TrainConfig(**config) == CONFIG
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert result.best.epoch == int(best["epoch"])
    assert result.best.val_loss == float(best["val_loss"])
    assert float(rows[-1]["lr"]) < CONFIG.lr / 100


def test_what_is_kept_is_what_was_validated(tmp_path: Path, parts: tuple[Digits, Digits]) -> None:
    result = run(tmp_path, parts)
    network = build(CONFIG.arch)
    network.load_state_dict(load_checkpoint(tmp_path / "best.pt").weights)
    logits = predict_logits(network, parts[1].images)
    accuracy = (logits.argmax(dim=1) == parts[1].labels).float().mean()
    assert float(accuracy) == pytest.approx(result.best.val_accuracy)
    assert accuracy > 0.9


def test_checkpoints_hold_tensors_and_plain_values_only(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    run(tmp_path, parts, replace(CONFIG, epochs=1))
    for name in ("best.pt", "last.pt"):
        torch.load(tmp_path / name, weights_only=True)


def test_stops_early_when_validation_no_longer_improves(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    # Labels that say nothing: nothing can be learnt about the validation split after the start.
    training = Digits(parts[0].images, parts[0].labels[torch.randperm(len(parts[0]))])
    config = replace(CONFIG, epochs=40, patience=2, augment=False)
    result = run(tmp_path, (training, parts[1]), config)
    assert result.stopped_early
    assert len(result.history) == result.best.epoch + 2 < 40


def test_a_run_that_diverges_says_so_and_keeps_what_it_had(
    tmp_path: Path, parts: tuple[Digits, Digits], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(CONFIG.arch)
    monkeypatch.setitem(ARCHITECTURES, CONFIG.arch, Architecture(lambda _: network, ""))

    class Poison(Quiet):
        def on_epoch(self, *_: object) -> None:
            for parameter in network.parameters():
                parameter.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"no longer finite in epoch 2.*smaller --lr.*last\.pt"):
        run(tmp_path, parts, callback=Poison())
    assert load_checkpoint(tmp_path / "last.pt").epoch == 1


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_every_architecture_learns(tmp_path: Path, parts: tuple[Digits, Digits], arch: str) -> None:
    result = run(tmp_path, parts, replace(CONFIG, arch=arch, epochs=10))
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
    tmp_path: Path, parts: tuple[Digits, Digits], options: dict[str, Any]
) -> None:
    config = replace(CONFIG, arch="lenet", epochs=6, augment=False, **options)
    result = run(tmp_path, parts, config)
    assert result.best.val_accuracy > 0.85
    rates = {record["lr"] for record in result.history}
    assert (len(rates) == 1) is (config.schedule == "constant")


def test_fine_tuning_starts_from_what_was_learnt(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    before = run(tmp_path / "before", parts, replace(CONFIG, arch="lenet", epochs=6)).best
    gentle = replace(CONFIG, arch="lenet", epochs=1, lr=1e-5, ema_decay=0.0)
    after = run(tmp_path / "after", parts, gentle, start_from=before).best
    assert after.val_accuracy == pytest.approx(before.val_accuracy, abs=0.02)
    with pytest.raises(UsageError, match="to start from is of lenet"):
        run(tmp_path / "other", parts, replace(CONFIG, epochs=1), start_from=before)


def test_fine_tuned_for_other_classes_all_but_the_last_layer_stays(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    before = run(tmp_path / "before", parts, replace(CONFIG, arch="lenet", epochs=6)).best
    odd = tuple(Digits(part.images, part.labels % 2) for part in parts)
    data = DataFacts("parity", ("even", "odd"), "", "2")
    config = replace(CONFIG, arch="lenet", epochs=1, lr=1e-6, ema_decay=0.0)
    after = run(tmp_path / "after", odd, config, data=data, start_from=before).best  # type: ignore[arg-type]
    assert after.data == load_checkpoint(tmp_path / "after" / "best.pt").data == data
    kept = [name for name in before.weights if not name.startswith("classifier.5")]
    for name in kept:
        torch.testing.assert_close(after.weights[name], before.weights[name], atol=1e-3, rtol=0)
    assert len(kept) == len(before.weights) - 2
    assert after.network()(torch.zeros(1, 1, 28, 28)).shape == (1, 2)


def test_nonsense_is_refused(tmp_path: Path, parts: tuple[Digits, Digits]) -> None:
    with pytest.raises(UsageError, match="did you mean 'small'"):
        build("smal")
    with pytest.raises(UsageError, match="--batch-size 5000: larger"):
        run(tmp_path, parts, replace(CONFIG, batch_size=5_000))
    for lr in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--lr"):
            TrainConfig(lr=lr)
    for seed in (-1, 2**32):
        with pytest.raises(UsageError, match="--seed"):
            TrainConfig(seed=seed)
    with pytest.raises(UsageError, match="--device tpu"):
        pick_device("tpu")


def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with pytest.raises(UsageError, match="no such checkpoint"):
        load_checkpoint(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
        load_checkpoint(path)
    for content in (torch.zeros(3), {"config": {"momentum": 0.9}}, [1, 2]):
        torch.save(content, path)
        with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
            load_checkpoint(path)


def test_a_damaged_checkpoint_is_an_error_of_ours_wherever_the_damage_is(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    run(tmp_path, parts, replace(CONFIG, epochs=1))
    content = (tmp_path / "best.pt").read_bytes()
    refused = 0
    for position in range(0, len(content), len(content) // 60):
        damaged = bytearray(content)
        damaged[position : position + 40] = bytes(40)
        (tmp_path / "best.pt").write_bytes(damaged)
        try:
            load_checkpoint(tmp_path / "best.pt").network()
        except TrainingError:
            refused += 1
    assert refused > 0


def test_weights_of_another_architecture_are_refused(
    tmp_path: Path, parts: tuple[Digits, Digits]
) -> None:
    result = run(tmp_path, parts, replace(CONFIG, epochs=1))
    for arch in ("lenet", "gone"):
        other = replace(result.best, config=replace(CONFIG, arch=arch))
        with pytest.raises(TrainingError, match=arch):
            other.network()


@pytest.mark.parametrize(("steps", "trains"), [(2, False), (3, True), (10, True)])
def test_a_schedule_of_few_steps(
    tmp_path: Path, parts: tuple[Digits, Digits], steps: int, trains: bool
) -> None:
    config = replace(CONFIG, epochs=1, batch_size=len(parts[0]) // steps)
    if trains:
        assert len(run(tmp_path, parts, config).history) == 1
    else:
        with pytest.raises(UsageError, match="only 2 steps"):
            run(tmp_path, parts, config)
