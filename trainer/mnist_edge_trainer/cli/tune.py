"""`mnist-edge tune`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from mnist_edge.cli.console import log
from mnist_edge.errors import MissingExtraError, UsageError
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.aliases import current_fields
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.cli.train import recipe_for
from mnist_edge_trainer.data.datasets import load_dataset
from mnist_edge_trainer.data.splits import split_training
from mnist_edge_trainer.synthetic.dataset import held_out_photos, training_photos
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.device import pick_device
from mnist_edge_trainer.training.training_data import PhotoSet, TrainingData

try:
    from mnist_edge_trainer.training.search import SEARCH_SPACE, TuneResult, recipe
    from mnist_edge_trainer.training.search import tune as search
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"this command needs {error.name}; install with: pip install 'mnist-edge[train,tune]' "
        "(in a checkout: pip install '.[train,tune]')"
    ) from error

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["tune"]

_SHOWN = 5


def tune(
    options: dict[str, Any],
    *,
    trials: int,
    storage: Path,
    study: str | None,
    out: Path,
    data: Path | None,
    device: str,
) -> None:
    """Searches for a better recipe, or goes on with a search, and writes what it found.

    Args:
        options: fields of `TrainConfig` that all trials share; the others keep their defaults.
        trials: how many are to be finished, those of earlier calls counted.
        storage: SQLite file that keeps them.
        study: the search's name in it; None = the architecture's.
        out: TOML file for the best recipe.
        data: folder of the dataset; None = wherever it is by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    if trials < 1:
        raise UsageError(f"--trials {trials}: must be a number greater than zero")
    dataset = load_dataset(options.get("dataset", TrainConfig.dataset), data)
    base = recipe_for(dataset, current_fields(options), data)
    build(base.arch)
    target = pick_device(device)
    study = study or base.arch
    training, validation = split_training(dataset.training, base.val_split)
    log(
        f"study {study} in {storage}: {base.arch}, {base.epochs} epochs a trial, seed {base.seed}, "
        f"on {target}: {len(training):,} images to train on, {len(validation):,} to judge by"
    )
    try:
        photos = None
        if base.photos:
            photos = PhotoSet(training_photos(training), held_out_photos(validation))
        result = search(
            base,
            TrainingData(training, validation, photos, facts=dataset.facts),
            trials=trials,
            storage=storage,
            study=study,
            device=target,
            on_trial=lambda trial, finished: log(f"{finished:>3}/{trials}  {_line(base, trial)}"),
        )
    except KeyboardInterrupt:
        log(
            f"interrupted; the finished trials are kept in {storage}: "
            "go on with the same command, which tries the one it was at again"
        )
        raise
    _print(base, study, result)
    best = result.best[0]
    comment = f"Trial {best.number} of study {study} of mnist-edge tune: {_outcome(best)}."
    recipe(base, best.params).save_recipe(out, comment)
    print(f"wrote {out}")
    log(f"next: mnist-edge train --config {quote(str(out))} --epochs {TrainConfig.epochs}")


def _line(base: TrainConfig, trial: FrozenTrial) -> str:
    config = dataclasses.asdict(recipe(base, trial.params))
    values = " ".join(f"{name}={_shown(config[name])}" for name in SEARCH_SPACE)
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return f"{_outcome(trial)}  {values}  {seconds:.1f} s"


def _outcome(trial: FrozenTrial) -> str:
    if trial.state.name == "COMPLETE":
        accuracy = trial.user_attrs["val_accuracy"]
        return f"validation loss {trial.value:.4f}, accuracy {accuracy:.2%}"
    if "error" in trial.user_attrs:
        reason, *_ = trial.user_attrs["error"].partition(";")
        return f"failed: {reason}"
    return f"stopped after epoch {trial.last_step}, validation loss {trial.value:.4f}"


def _print(base: TrainConfig, study: str, result: TuneResult) -> None:
    best = result.best[:_SHOWN]
    configs = [dataclasses.asdict(recipe(base, trial.params)) for trial in best]
    stopped = len(result.finished) - len(result.best)
    print(f"study {study}: {len(result.finished)} trials, {stopped} of them stopped early\n")
    print_table(
        ["", *(f"trial {trial.number}" for trial in best), "importance"],
        [
            ["validation loss", *(f"{trial.value:.4f}" for trial in best), ""],
            ["accuracy", *(f"{trial.user_attrs['val_accuracy']:.2%}" for trial in best), ""],
            *(
                [
                    name,
                    *(_shown(config[name]) for config in configs),
                    f"{result.importance[name]:.0%}" if name in result.importance else "",
                ]
                for name in SEARCH_SPACE
            ),
        ],
    )
    print(f"\nthe recipe as it stood: {_outcome(result.finished[0])}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
