"""Short searches for a recipe, which tests of the search and of its command share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.training import search as tuning
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import TrainResult
from mnist_edge_trainer.training.search import TuneResult, tune
from mnist_edge_trainer.training.training_data import TrainingData

__all__ = ["BASE", "interrupted_in_trial", "search"]

BASE = TrainConfig(arch="lenet", epochs=1, photos=0, val_split=500)


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
