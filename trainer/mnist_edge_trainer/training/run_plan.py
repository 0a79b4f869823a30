"""What a run is to do: the recipe of the user, completed to fit the data, and the folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from mnist_edge import __version__
from mnist_edge.errors import UsageError
from mnist_edge_trainer.data.datasets import (
    DEFAULT_DATASET,
    IMAGE_FOLDER,
    Dataset,
    dataset_files,
    load_dataset,
    validation_size,
)
from mnist_edge_trainer.training.checkpoint import Checkpoint, RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig, flag
from mnist_edge_trainer.training.ranks import ALONE, Ranks

__all__ = [
    "RunPlan",
    "check_new",
    "chosen_fields",
    "files_of",
    "load_dataset_of",
    "plan_new_run",
    "plan_resumed_run",
    "recipe_for",
    "shared_plan",
]

OnSkip = Callable[[str], None]
"""Called with a line about each picture that is skipped (see `load_dataset`)."""

_MIN_STEPS = 8
"""Steps of an epoch: of a small dataset, batches are smaller than by default."""

_FINE_TUNING = {"epochs": 10, "lr": TrainConfig.lr / 10}
"""Gentler than from scratch, so that the network keeps what it knows."""


@dataclass(frozen=True)
class RunPlan:
    """A run, before it is begun or continued.

    Attributes:
        config: the complete recipe.
        dataset: to train on.
        run: the folder.
        start: the checkpoint whose weights to start from; None = random weights, or those that the
            folder has.
    """

    config: TrainConfig
    dataset: Dataset
    run: RunFolder
    start: Checkpoint | None = None


def plan_new_run(
    fields: Mapping[str, Any], data: Path | None, output: Path | None, on_skip: OnSkip
) -> RunPlan:
    """Plans a run from its beginning.

    Args:
        fields: fields of `TrainConfig` that the user chose; the others get their defaults.
        data: folder of the dataset; None = the recipe's, or the dataset's default.
        output: folder of the run; None = a new one in ``runs``.
        on_skip: as in `load_dataset`.

    Raises:
        UsageError: a value makes no sense, or there is a run in `output`.
        DatasetError, TrainingError: the dataset, or the run to start from, cannot be read.
    """
    data = data or (Path(fields["data"]) if fields.get("data") else None)
    dataset = load_dataset(fields.get("dataset", DEFAULT_DATASET), data, on_skip)
    init_from = fields.get("init_from")
    start = load_checkpoint(RunFolder(Path(init_from)).best) if init_from else None
    config = recipe_for(dataset, fields, data, start)
    return RunPlan(config, dataset, _new_folder(output, config.arch), start)


def plan_resumed_run(
    fields: Mapping[str, Any], data: Path | None, output: Path | None, on_skip: OnSkip
) -> RunPlan:
    """Plans to continue a run that was interrupted.

    Args:
        fields: fields of `TrainConfig` that the user chose now.
        data: as in `plan_new_run`.
        output: folder of the run; None = the latest.
        on_skip: as in `load_dataset`.

    Raises:
        UsageError: there is no such run; or a field or an image is not what it was started with.
        DatasetError, TrainingError: the dataset or the checkpoint cannot be read.
    """
    run = RunFolder.latest() if output is None else RunFolder(output)
    checkpoint = load_checkpoint(run.last)
    config = dataclasses.asdict(checkpoint.config)
    differing = [name for name, value in fields.items() if config[name] != value]
    if differing:
        names = ", ".join(map(flag, differing))
        raise UsageError(
            f"{names}: a resumed run keeps the options it was started with (see {run.config}); "
            "leave them out, or start a new run"
        )
    dataset = load_dataset_of(checkpoint.config, data, on_skip)
    if checkpoint.data.sha256 != dataset.sha256:
        raise UsageError(
            f"{run.path}: its training images are not those that it started with; start a new run, "
            f"with --init-from {quote(str(run.path))} to keep what it learnt"
        )
    return RunPlan(checkpoint.config, dataset, run)


def shared_plan(make: Callable[[], RunPlan], data: Path | None, ranks: Ranks = ALONE) -> RunPlan:
    """The plan of rank 0, with the dataset of each rank, which must be the same.

    Args:
        make: plans the run, on rank 0.
        data: folder to load the dataset from; None = the recipe's.
        ranks: the processes that train together.

    Raises:
        MnistEdgeError: `make` raised it.
        UsageError: another rank cannot load the dataset, or has another.
        KnownError: on the other ranks then.
    """
    if ranks.count == 1:
        return make()
    plans: list[RunPlan] = []

    def made() -> tuple[TrainConfig, RunFolder, Checkpoint | None, str, str]:
        plans.append(make())
        plan = plans[0]
        return plan.config, plan.run, plan.start, plan.dataset.sha256, __version__

    config, run, start, sha256, version = ranks.from_first(made)

    def same() -> RunPlan:
        if plans:
            return plans[0]
        if version != __version__:
            raise UsageError(f"it has mnist-edge {__version__}, and rank 0 has {version}")
        dataset = load_dataset_of(config, data)
        if dataset.sha256 != sha256:
            raise UsageError("its training images are not those of rank 0; copy them there")
        return RunPlan(config, dataset, run, start)

    return ranks.everywhere(same)


def chosen_fields(options: object) -> dict[str, Any]:
    """Fields of `TrainConfig` that the options of a command set.

    Args:
        options: a dataclass; None is the value of an option that is not set.

    Returns:
        the fields, without ``data``, which is where a dataset lies and not part of a recipe.
    """
    names = {field.name for field in dataclasses.fields(TrainConfig)} - {"data"}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name in names and value is not None
    }


def recipe_for(
    dataset: Dataset,
    fields: Mapping[str, Any],
    data: Path | None,
    start: Checkpoint | None = None,
) -> TrainConfig:
    """Completes a recipe by defaults that fit the dataset.

    Args:
        dataset: to be trained on.
        fields: fields of `TrainConfig` that the user chose.
        data: folder that the dataset was loaded from; None = its default.
        start: the checkpoint whose weights to start from; None = random weights.

    Raises:
        UsageError: photographs of a dataset that is not of digits, or a value makes no sense.
    """
    if fields.get("photos") and not dataset.facts.is_of_digits:
        raise UsageError(
            f"--photos {fields['photos']}: only digits are photographed; use --photos 0 with "
            f"{dataset.name}"
        )
    held_out = validation_size(dataset, fields.get("val_split"))
    largest_batch = (len(dataset.training) - held_out) // _MIN_STEPS
    defaults: dict[str, Any] = {
        "val_split": held_out,
        "batch_size": min(TrainConfig.batch_size, max(1, largest_batch)),
    }
    if not dataset.is_published or not dataset.facts.is_of_digits:
        defaults["photos"] = 0
    if start is not None:
        defaults |= _FINE_TUNING | {"arch": start.config.arch}
    source = {
        "dataset": dataset.name if dataset.is_published else IMAGE_FOLDER,
        "data": "" if data is None else _text(data.absolute()),
        "splits": ", ".join(dataset.splits),
    }
    return TrainConfig(**{**defaults, **fields, **source})


def load_dataset_of(
    config: TrainConfig, data: Path | None, on_skip: OnSkip = lambda _: None
) -> Dataset:
    """Loads the dataset that a recipe names.

    Args:
        config: the recipe.
        data: folder to load it from; None = the recipe's.
        on_skip: as `load_dataset`, whose errors it raises too.
    """
    folder = data or (Path(config.data) if config.data else None)
    return load_dataset(config.dataset, folder, on_skip)


def files_of(config: TrainConfig, data: Path | None) -> Iterator[Path]:
    """The files that `load_dataset_of` reads."""
    return dataset_files(config.dataset, data or (Path(config.data) if config.data else None))


def check_new(run: RunFolder) -> None:
    """Raises UsageError where a run's folder has a run already."""
    if os.path.exists(run.last):
        raise UsageError(
            f"--output {run.path}: already contains a run; add --resume, or choose another folder"
        )


def _new_folder(output: Path | None, arch: str) -> RunFolder:
    if output is None:
        number = 1
        while (Path("runs") / f"{arch}-{number}").exists():
            number += 1
        return RunFolder(Path("runs") / f"{arch}-{number}")
    check_new(RunFolder(output))
    return RunFolder(output)


def _text(path: Path) -> str:
    """The path as text; raises UsageError where a recipe cannot hold it."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"--data {path!r}: its name is not text; rename it") from error
    return str(path)
