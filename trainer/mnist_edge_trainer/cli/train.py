"""`mnist-edge train`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from rich.console import Console

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.model import Model
from mnist_edge_trainer.aliases import current_fields
from mnist_edge_trainer.architectures.registry import build, count_macs, count_parameters
from mnist_edge_trainer.data.datasets import OWN, Dataset, load_again, load_dataset, validation_size
from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.evaluation.plots import draw_curves
from mnist_edge_trainer.synthetic.dataset import held_out_photos, training_photos
from mnist_edge_trainer.training.callbacks import LiveDisplay, with_tensorboard
from mnist_edge_trainer.training.checkpoint import (
    Checkpoint,
    RunFolder,
    history_of,
    load_checkpoint,
)
from mnist_edge_trainer.training.config import TrainConfig, flag, load_recipe, named_recipe
from mnist_edge_trainer.training.device import pick_device
from mnist_edge_trainer.training.distillation import SoftLabelCache, load_teacher
from mnist_edge_trainer.training.loop import TrainResult
from mnist_edge_trainer.training.loop import train as run_training
from mnist_edge_trainer.training.training_data import PhotoSet, TrainingData

__all__ = ["recipe_for", "train"]

_FEWEST_STEPS = 8
"""Of an epoch."""

_FINE_TUNING = {"epochs": 10, "lr": TrainConfig.lr / 10}
"""Gentler than from scratch: what was learnt is to be kept."""


def train(
    options: dict[str, Any],
    *,
    recipe: str | None,
    config: Path | None,
    data: Path | None,
    out: Path | None,
    resume: bool,
    device: str,
) -> None:
    """Trains or resumes.

    Args:
        options: fields of `TrainConfig` that were asked for; the others keep their defaults.
        recipe, config: name or file of a recipe to take further fields from; None = no such.
        data: folder of the dataset; None = wherever it is by default.
        out: the run's folder; None = a new one, or the latest when resuming.
        resume: continue what is in it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    options = current_fields(_recipe(recipe, config) | options)
    target = pick_device(device)
    if resume:
        run = RunFolder.latest() if out is None else RunFolder(out)
        chosen = _resumed(run, options)
        dataset, start = load_again(chosen, data), None
        _require_the_same(dataset, run)
    else:
        named = Path(options["data"]) if options.get("data") else None
        dataset = load_dataset(options.get("dataset", TrainConfig.dataset), data or named)
        start = _start(options)
        chosen = recipe_for(dataset, options, data or named, start)
        run = _new_run(out, chosen.arch)
    training, validation = split_training(dataset.training, chosen.val_split)
    teacher = load_teacher(chosen.teacher, dataset.labels) if chosen.teacher else None
    _announce(chosen, dataset, training, validation, target, run)
    try:
        photos = soft_labels = None
        if chosen.photos:
            photos = PhotoSet(training_photos(training), held_out_photos(validation))
        if teacher is not None:
            soft_labels = _soft_labels(chosen, teacher, training, photos)
        with (
            LiveDisplay(chosen, Console(stderr=True)) as display,
            with_tensorboard(display, run) as callback,
        ):
            result = run_training(
                chosen,
                TrainingData(training, validation, photos, soft_labels, dataset.facts),
                run,
                device=target,
                callback=callback,
                init_from=start,
                resume=resume,
            )
    except KeyboardInterrupt:
        if run.last.exists():
            draw_curves(history_of(run), run.curves)
            folder = quote(str(run.path))
            log(f"interrupted; continue with: mnist-edge train --resume --out {folder}")
        else:
            log("interrupted before the first epoch was over; there is nothing to resume")
        raise
    draw_curves(result.history, run.curves)
    _conclude(result, run)


def _announce(
    config: TrainConfig,
    dataset: Dataset,
    training: Digits,
    validation: Digits,
    device: torch.device,
    run: RunFolder,
) -> None:
    network = build(config.arch, len(dataset.labels))
    photos = f" and {config.photos:,} simulated photographs" if config.photos else ""
    log(
        f"{config.arch}, {count_parameters(network):,} parameters, "
        f"{count_macs(network):,} count_macs, seed {config.seed}, on {device}: "
        f"{len(training):,} images of {dataset.name}{photos} to train on, "
        f"{len(validation):,} images to validate with; into {run.path}"
    )


def _soft_labels(
    config: TrainConfig, teacher: Model, training: Digits, photos: PhotoSet | None
) -> SoftLabelCache:
    """All photographs at once: a view draws from all of them."""
    chunks = [] if photos is None else map(photos.training.chunk, range(photos.training.chunks))
    made = [Digits.of(chunk.images, chunk.labels) for chunk in chunks]
    return SoftLabelCache(
        training,
        Digits.join(made) if made else training[:0],
        config.photos,
        teacher,
        config.augmentation,
        config.distill_views,
    )


def _conclude(result: TrainResult, run: RunFolder) -> None:
    print(
        f"best epoch {result.best.epoch} of {len(result.history)}"
        f"{' (stopped early)' if result.stopped_early else ''}: "
        f"validation loss {result.best.val_loss:.4f}, "
        f"accuracy {result.best.val_accuracy:.2%}, kept in {run.best}"
    )
    folder = quote(str(run.path))
    log(f"next: mnist-edge evaluate {folder}")
    log(f"      mnist-edge export {folder} --quantize")


def _recipe(name: str | None, file: Path | None) -> dict[str, Any]:
    if name is not None:
        return named_recipe(name)
    return {} if file is None else load_recipe(file)


def _start(options: dict[str, Any]) -> Checkpoint | None:
    name = options.get("init_from")
    return load_checkpoint(RunFolder(Path(name)).best) if name else None


def recipe_for(
    dataset: Dataset, options: dict[str, Any], data: Path | None, start: Checkpoint | None = None
) -> TrainConfig:
    """The recipe: what was asked for, and defaults that fit the data.

    Args:
        dataset: to be trained on.
        options: fields that were asked for.
        data: folder that the dataset was loaded from; None = its default.
        start: whose weights to start from.

    Raises:
        UsageError: photographs were asked for of what is no digit, or a value makes no sense.
    """
    if options.get("photos") and not dataset.facts.is_of_digits:
        raise UsageError(
            f"--photos {options['photos']}: only digits are photographed; use --photos 0 with "
            f"{dataset.name}"
        )
    held_out = validation_size(dataset, options.get("val_split"))
    steps = (len(dataset.training) - held_out) // _FEWEST_STEPS
    defaults: dict[str, Any] = {
        "val_split": held_out,
        # Of a few pictures, smaller batches: an epoch is to be some steps.
        "batch_size": min(TrainConfig.batch_size, max(1, steps)),
    }
    if not dataset.is_published or not dataset.facts.is_of_digits:
        defaults["photos"] = 0
    if start is not None:
        defaults |= _FINE_TUNING | {"arch": start.config.arch}
    where = {
        "dataset": dataset.name if dataset.is_published else OWN,
        "data": "" if data is None else _text(data.absolute()),
    }
    return TrainConfig(**defaults | options | where)


def _text(path: Path) -> str:
    """Raises UsageError where a recipe cannot hold its name."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"--data {path!r}: its name is not text; rename it") from error
    return str(path)


def _require_the_same(dataset: Dataset, run: RunFolder) -> None:
    if load_checkpoint(run.last).data.sha256 != dataset.sha256:
        raise UsageError(
            f"{run.path}: its training images are not those that it began with; start a new run, "
            f"with --init-from {quote(str(run.path))} to keep what it learnt"
        )


def _resumed(run: RunFolder, options: dict[str, Any]) -> TrainConfig:
    stored = load_checkpoint(run.last).config
    config = dataclasses.asdict(stored)
    differing = [name for name, value in options.items() if config[name] != value]
    if differing:
        names = ", ".join(map(flag, differing))
        raise UsageError(
            f"{names}: a resumed run keeps the options it was started with (see {run.config}); "
            "leave them out, or start a new run"
        )
    return stored


def _new_run(out: Path | None, arch: str) -> RunFolder:
    if out is None:
        number = 1
        while (Path("runs") / f"{arch}-{number}").exists():
            number += 1
        return RunFolder(Path("runs") / f"{arch}-{number}")
    if os.path.exists(RunFolder(out).last):
        raise UsageError(f"--out {out}: has a run in it; add --resume, or choose another folder")
    return RunFolder(out)
