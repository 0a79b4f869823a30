"""Evaluation target: a run's best checkpoint or an exported file, and the images to score it on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from mnist_edge.errors import ModelError, UsageError
from mnist_edge.model import Model, bundled_models
from mnist_edge.types import GrayImage
from mnist_edge_trainer.data.datasets import Dataset
from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.evaluation.metrics import PredictFunction, Probabilities
from mnist_edge_trainer.evaluation.saliency import Maps, first_layer_filters
from mnist_edge_trainer.training.checkpoint import Checkpoint, RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.run_plan import files_of, load_dataset_of
from mnist_edge_trainer.training.trainer import predict_logits

__all__ = ["SPLITS", "EvaluationTarget", "load_target"]

SPLITS = ("test", "validation")


@dataclass(frozen=True)
class EvaluationTarget:
    """A network and the images of one split.

    Attributes:
        name: the run's folder, or the model's path or name.
        predict: the network; of a run, before its confidences are calibrated.
        split: one of `SPLITS`.
        digits: images and classes of the split.
        folder: the run's; None for a model file, and for images that the run was not trained on.
        dataset: name of the dataset.
        labels: names of the C classes.
        filters: the run's first layer (see `saliency.first_layer_filters`); None for a model file.
        int8: the quantized file that was exported from the run; None where there is none.
        files: lists the files of the target and of the dataset.
    """

    name: str
    predict: PredictFunction
    split: str
    digits: Digits
    folder: Path | None
    dataset: str
    labels: tuple[str, ...]
    filters: Maps | None = None
    int8: Model | None = None
    files: Callable[[], Iterable[Path]] = tuple


def load_target(
    target: str | None, split: str, data: Path | None, log: Callable[[str], None]
) -> EvaluationTarget:
    """Loads a run or a model, and the images of a split.

    Args:
        target: a run's folder, a model file or a bundled model's name; None = the latest run.
        split: ``test``, or ``validation``: the images that the run held out of its training.
        data: the dataset's folder; None = its default place.
        log: called with one line for each picture of an image folder that is skipped, and for an
            int8 file of another epoch than the run.

    Raises:
        UsageError: there is no such run, model or split.
        TrainingError, ModelError, DatasetError: a file is damaged.
    """
    if split not in SPLITS:
        raise UsageError(f"--split {split}: unknown; choose {' or '.join(SPLITS)}")
    run = RunFolder.latest() if target is None else RunFolder(Path(target))
    if target is None or os.path.isdir(run.path):
        return _load_run(run, split, data, log)
    if not os.path.exists(target) and target not in bundled_models():
        raise UsageError(f"{target}: no such run or model; `mnist-edge train` makes a run")
    return _load_model(target, split, data, log)


def _load_run(
    run: RunFolder, split: str, data: Path | None, log: Callable[[str], None]
) -> EvaluationTarget:
    name = str(run.path)
    checkpoint = load_checkpoint(run.best)
    network = checkpoint.network()
    dataset = _load_dataset(checkpoint.config, data, checkpoint.data.labels, name, log)
    is_trained_on = dataset.sha256 == checkpoint.data.sha256
    return EvaluationTarget(
        name,
        _predict_function(network),
        split,
        _images_of(dataset, split, checkpoint.config.val_split, is_trained_on, name),
        run.path if is_trained_on else None,
        dataset=dataset.name,
        labels=dataset.labels,
        filters=first_layer_filters(network),
        int8=_exported_int8(run, checkpoint, log),
        files=lambda: chain(run.files, run.path.glob("*.onnx"), files_of(checkpoint.config, data)),
    )


def _load_model(
    target: str, split: str, data: Path | None, log: Callable[[str], None]
) -> EvaluationTarget:
    model = Model.load(target)
    # Files of 0.1 to 0.3 do not name their dataset; what they leave out was the default.
    config = _recipe_of(model, target)
    dataset = _load_dataset(config, data, model.labels, target, log)
    is_trained_on = dataset.sha256 == model.metadata.get("dataset_sha256")
    digits = _images_of(dataset, split, config.val_split, is_trained_on, target)
    return EvaluationTarget(
        target,
        model.run,
        split,
        digits,
        None,
        dataset=dataset.name,
        labels=dataset.labels,
        files=lambda: chain([Path(target)], files_of(config, data)),
    )


def _recipe_of(model: Model, target: str) -> TrainConfig:
    """What the metadata says of the dataset and its validation split; the rest is the default."""
    try:
        recipe = json.loads(model.metadata.get("training_recipe", "{}"))
        known = {name: recipe[name] for name in ("dataset", "val_split") if name in {**recipe}}
        return TrainConfig.from_dict(known)
    except (ValueError, TypeError, RecursionError, UsageError) as error:
        raise ModelError(
            f"{target}: its metadata's training_recipe is damaged; export it again"
        ) from error


def _predict_function(network: nn.Module) -> PredictFunction:
    def predict(images: GrayImage) -> Probabilities:
        logits = predict_logits(network, torch.from_numpy(images).unsqueeze(1))
        probabilities: Probabilities = torch.softmax(logits, dim=1).numpy()
        return probabilities

    return predict


def _load_dataset(
    config: TrainConfig,
    data: Path | None,
    labels: tuple[str, ...],
    target: str,
    log: Callable[[str], None],
) -> Dataset:
    """Loads the dataset of a recipe; its classes must be those of the target."""
    dataset = load_dataset_of(config, data, log)
    if dataset.labels != labels:
        raise UsageError(
            f"{target}: predicts {', '.join(labels)}, but the classes of {dataset.name} are "
            f"{', '.join(dataset.labels)}; point --data at the dataset that it was trained on"
        )
    return dataset


def _images_of(
    dataset: Dataset, split: str, val_split: int, is_trained_on: bool, target: str
) -> Digits:
    if split == "test":
        return dataset.test
    if not is_trained_on:
        raise UsageError(
            f"--split {split}: {target} was trained on other images than {dataset.name} has, and "
            "may have seen these; use --split test"
        )
    return split_training(dataset.training, val_split)[1]


def _exported_int8(
    run: RunFolder, checkpoint: Checkpoint, log: Callable[[str], None]
) -> Model | None:
    """Loads the newest int8 file in the run's folder, if it is of this checkpoint."""
    files = sorted(run.path.glob("*-int8.onnx"), key=lambda path: path.stat().st_mtime)
    if not files:
        return None
    model = Model.load(str(files[-1]))
    if (model.metadata.get("epoch"), model.labels) != (
        str(checkpoint.epoch),
        checkpoint.data.labels,
    ):
        log(
            f"{files[-1]}: skipped, it is of another epoch than {run.best}; "
            "export it again with `mnist-edge export --quantize`"
        )
        return None
    return model
