"""What is scored: a run's best checkpoint or an exported file, and the digits to score it on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import UsageError
from mnist_edge.model import Model, bundled_models
from mnist_edge_trainer import evaluate as scoring
from mnist_edge_trainer.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.config import TrainConfig
from mnist_edge_trainer.data import Digits, default_data_dir, load_digits, split_training

__all__ = ["Subject", "load_subject"]


@dataclass(frozen=True)
class Subject:
    """What is scored: probabilities of uint8 ``[N, 28, 28]``, on which digits, and its folder."""

    name: str
    network: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    digits: Digits
    folder: Path | None


def load_subject(target: str | None, split: str, data: Path | None) -> Subject:
    if split not in ("test", "validation"):
        raise UsageError(f"--split {split}: unknown; choose test or validation")
    folder = data or default_data_dir()
    run = RunFolder.latest() if target is None else RunFolder(Path(target))
    if target is None or os.path.isdir(run.path):
        checkpoint = load_checkpoint(run.best)
        digits = _digits(folder, split, checkpoint.config.val_split)
        return Subject(str(run.path), scoring.probabilities_of(checkpoint), digits, run.path)
    if not os.path.exists(target) and target not in bundled_models():
        raise UsageError(f"{target}: no such run or model; `mnist-edge train` makes a run")
    model = Model.load(target)
    return Subject(target, model.run, _digits(folder, split, _val_split_of(model)), None)


def _digits(folder: Path, split: str, val_split: int) -> Digits:
    if split == "test":
        return load_digits(folder, "test")
    return split_training(load_digits(folder, "train"), val_split)[1]


def _val_split_of(model: Model) -> int:
    """How many images a file's recipe held out; our default where it does not say."""
    recipe = json.loads(model.metadata.get("training_recipe", "{}"))
    return int(recipe.get("val_split", TrainConfig().val_split))
