"""Evaluation target: a run's best checkpoint or an exported file, and the images to score it on."""

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
from mnist_edge_trainer.data.datasets import Dataset
from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.evaluation import metrics as scoring
from mnist_edge_trainer.evaluation.saliency import first_layer
from mnist_edge_trainer.training.checkpoint import Checkpoint, RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.recipe import load_dataset_of

__all__ = ["EvaluationTarget", "load_target"]

Log = Callable[[str], None]


@dataclass(frozen=True)
class EvaluationTarget:
    """A network and the images of one split.

    Attributes:
        name: the run's folder, or the model's path or name.
        predict: probabilities float32 ``[N, C]`` of uint8 ``[N, 28, 28]``.
        split: ``test`` or ``validation``.
        digits: the pictures of the split.
        folder: the run's; None for a model file, and for pictures that are not the run's own.
        dataset: whose pictures they are.
        labels: names of the C classes.
        filters: a run's first layer (see `attention.first_layer`); None for a model file.
        int8: the quantized file that was exported from the run; None where there is none.
    """

    name: str
    predict: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    split: str
    digits: Digits
    folder: Path | None
    dataset: str
    labels: tuple[str, ...]
    filters: npt.NDArray[np.float32] | None = None
    int8: Model | None = None


def load_target(target: str | None, split: str, data: Path | None, log: Log) -> EvaluationTarget:
    """Loads a run or a model, and the images of a split.

    Args:
        target: a run's folder, a model file or a bundled model's name; None = the latest run.
        split: ``test``, or ``validation``: what the run held out of its training.
        data: the dataset's folder; None = its default place.
        log: called with a line about each picture that is skipped, and about an int8 file of
            another epoch.

    Raises:
        UsageError: there is no such run, model or split.
        TrainingError, ModelError, DatasetError: a file is damaged.
    """
    if split not in ("test", "validation"):
        raise UsageError(f"--split {split}: unknown; choose test or validation")
    run = RunFolder.latest() if target is None else RunFolder(Path(target))
    if target is None or os.path.isdir(run.path):
        return _run(run, split, data, log)
    if not os.path.exists(target) and target not in bundled_models():
        raise UsageError(f"{target}: no such run or model; `mnist-edge train` makes a run")
    return _model(target, split, data, log)


def _run(run: RunFolder, split: str, data: Path | None, log: Log) -> EvaluationTarget:
    checkpoint = load_checkpoint(run.best)
    config, trained_on = checkpoint.config, checkpoint.data
    dataset = _of_classes(config, data, trained_on.labels, str(run.path), log)
    is_its_own = dataset.sha256 == trained_on.sha256
    return EvaluationTarget(
        str(run.path),
        scoring.probabilities_of(checkpoint),
        split,
        _digits(dataset, split, config.val_split, is_its_own, str(run.path)),
        run.path if is_its_own else None,
        dataset=dataset.name,
        labels=dataset.labels,
        filters=first_layer(checkpoint.network()),
        int8=_exported_int8(run, checkpoint, log),
    )


def _model(target: str, split: str, data: Path | None, log: Log) -> EvaluationTarget:
    model = Model.load(target)
    # Files of 0.1 to 0.3 do not name their dataset; what they leave out was our default.
    recipe = json.loads(model.metadata.get("training_recipe", "{}"))
    known = {name: recipe[name] for name in ("dataset", "val_split") if name in recipe}
    config = TrainConfig(**known)
    dataset = _of_classes(config, data, model.labels, target, log)
    is_its_own = dataset.sha256 == model.metadata.get("dataset_sha256")
    digits = _digits(dataset, split, config.val_split, is_its_own, target)
    return EvaluationTarget(
        target, model.run, split, digits, None, dataset=dataset.name, labels=dataset.labels
    )


def _of_classes(
    config: TrainConfig, data: Path | None, labels: tuple[str, ...], target: str, log: Log
) -> Dataset:
    dataset = load_dataset_of(config, data, log)
    if dataset.labels != labels:
        raise UsageError(
            f"{target}: predicts {', '.join(labels)}, but the classes of {dataset.name} are "
            f"{', '.join(dataset.labels)}; point --data at the dataset that it was trained on"
        )
    return dataset


def _digits(dataset: Dataset, split: str, val_split: int, is_its_own: bool, target: str) -> Digits:
    if split == "test":
        return dataset.test
    if not is_its_own:
        raise UsageError(
            f"--split {split}: {target} was trained on other images than {dataset.name} has, and "
            "may have seen these; use --split test"
        )
    return split_training(dataset.training, val_split)[1]


def _exported_int8(run: RunFolder, checkpoint: Checkpoint, log: Log) -> Model | None:
    """The newest int8 file in the run's folder, unless the run has gone on since it was made."""
    files = sorted(run.path.glob("*-int8.onnx"), key=lambda path: path.stat().st_mtime)
    if not files:
        return None
    model = Model.load(str(files[-1]))
    if model.metadata.get("epoch") != str(checkpoint.epoch):
        log(
            f"{files[-1]}: skipped, it is of another epoch than {run.best}; "
            "export it again with `mnist-edge export --quantize`"
        )
        return None
    return model
