"""Short searches for a recipe, which tests of the search and of its command share."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mnist_edge_trainer.data.splits import Digits, load_digits, split_training
from mnist_edge_trainer.training import search as tuning
from mnist_edge_trainer.training.callbacks import Callback
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint, EpochRecord
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import TrainResult
from mnist_edge_trainer.training.search import TuneResult, tune
from mnist_edge_trainer.training.training_data import TrainingData
from tests.conftest import SAMPLES

__all__ = [
    "BASE",
    "DIED",
    "few_digits",
    "instant_training",
    "interrupted_in_trial",
    "outcomes",
    "search",
    "search_and_die",
    "search_together",
]

BASE = TrainConfig(arch="lenet", epochs=1, photos=0, val_split=500)

DIED = 9
"""Exit code of a process that ends in the middle of a trial."""


def few_digits() -> Digits:
    """2,000 real training images."""
    return load_digits(SAMPLES, "train")[:2_000]


def instant_training(
    config: TrainConfig, *_: object, callback: Callback, **__: object
) -> TrainResult:
    """Stands in for the training loop: the loss follows from the recipe, in no time."""
    loss = abs(math.log10(config.lr / 3e-3)) + config.weight_decay + 0.1
    history = [
        EpochRecord(
            epoch=epoch,
            lr=config.lr,
            train_loss=loss,
            train_accuracy=0.9,
            val_loss=loss,
            val_accuracy=0.9,
            val_photo_accuracy=None,
            seconds=0.0,
        )
        for epoch in range(1, config.epochs + 1)
    ]
    for record in history:
        callback.on_epoch(record, True)
    best = Checkpoint(config, config.epochs, loss, 0.9, MNIST, {})
    return TrainResult(best, history, False)


def outcomes(result: TuneResult) -> list[tuple[dict[str, Any], float | None]]:
    return [(trial.params, trial.value) for trial in result.finished]


def search(
    storage: Path | str, digits: Digits, trials: int, base: TrainConfig = BASE, study: str = "lenet"
) -> TuneResult:
    return tune(
        base,
        TrainingData(*split_training(digits, base.val_split)),
        trials=trials,
        storage=storage,
        study=study,
        device=torch.device("cpu"),
        on_trial=lambda *_: None,
    )


def interrupted_in_trial(number: int) -> Callable[..., TrainResult]:
    """The training loop, interrupted in one of the trials."""
    calls, loop = 0, vars(tuning)["train"]

    def interrupted(*args: Any, **options: Any) -> TrainResult:
        nonlocal calls
        calls += 1
        if calls > number:
            raise KeyboardInterrupt
        result: TrainResult = loop(*args, **options)
        return result

    return interrupted


def search_together(storage: Path, trials: int, together: Any, output: Path) -> None:
    """A process whose first trial waits until the others are at their first one; writes a file."""
    torch.set_num_threads(1)
    waited = False

    def train(*arguments: Any, **options: Any) -> TrainResult:
        nonlocal waited
        if not waited:
            waited = True
            together.wait(60)
        return instant_training(*arguments, **options)

    vars(tuning)["train"] = train
    found = outcomes(search(storage, few_digits(), trials))
    output.write_text(json.dumps(sorted(found, key=str)))


def search_and_die(storage: Path) -> None:
    """A process that ends at once in the middle of its second trial."""
    calls = 0

    def train(*arguments: Any, **options: Any) -> TrainResult:
        nonlocal calls
        calls += 1
        if calls == 2:
            os._exit(DIED)
        return instant_training(*arguments, **options)

    vars(tuning)["train"] = train
    search(storage, few_digits(), 5)
