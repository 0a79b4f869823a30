"""Looks for a better recipe: Optuna proposes, the training loop tries, the validation split judges.

Proposals come from a tree-structured Parzen estimator (J. Bergstra et al., "Algorithms for
hyper-parameter optimization", NIPS 2011); a trial whose loss, after an epoch, is worse than the
median of those before it is stopped. Every proposal draws its randomness from a seed of its own
and from the trials that are finished, so a search that was interrupted and goes on tries the same
recipes as one that was not. The test images are never asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from filelock import FileLock, Timeout
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from mnist_edge.errors import OutputError, TrainingError, UsageError
from mnist_edge.outputs.atomic import make_folder
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.checkpoint import MNIST, DataFacts, EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import PhotoSet, StepReport, TrainResult, train

__all__ = ["SEARCH_SPACE", "TuneResult", "recipe", "tune"]

_BATCH_SIZES = (64, 96, 128, 256)

SEARCH_SPACE: Mapping[str, BaseDistribution] = {
    "lr": FloatDistribution(3e-4, 2e-2, log=True),
    "batch_size": CategoricalDistribution(_BATCH_SIZES),
    "weight_decay": FloatDistribution(1e-4, 0.3, log=True),
    "augment": CategoricalDistribution((True, False)),
    "label_smoothing": FloatDistribution(0.0, 0.1),
    "warmup": FloatDistribution(0.02, 0.4),
    "ema_decay": FloatDistribution(0.99, 0.9995),
}
"""What is searched: fields of `TrainConfig`, each with its range."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_FEWEST_FOR_IMPORTANCE = 4
_DIGITS = 4
"""Significant ones that a number of a recipe is rounded to before it is tried."""


@dataclass(frozen=True)
class TuneResult:
    """What a search has found.

    Attributes:
        finished: all trials that count, in order: those that ran to the end, and those that were
            stopped because they were worse than the others, or failed (`user_attrs["error"]` says
            why). The first is the recipe as it stood, where the search space has it.
        best: those that ran to the end, best first. Their `value` is the lowest validation loss of
            an epoch, nats; `user_attrs["val_accuracy"]` is the accuracy of that epoch, fraction.
        importance: of each hyperparameter, the part of the loss's variance it explains (fANOVA: F.
            Hutter, H. Hoos, K. Leyton-Brown, ICML 2014), adding up to 1; empty where too few trials
            ran to the end.
    """

    finished: list[FrozenTrial]
    best: list[FrozenTrial]
    importance: dict[str, float]


def tune(
    base: TrainConfig,
    training: Digits,
    validation: Digits,
    *,
    trials: int,
    storage: Path,
    study: str,
    device: torch.device,
    on_trial: Callable[[FrozenTrial, int], None],
    photos: PhotoSet | None = None,
    data: DataFacts = MNIST,
) -> TuneResult:
    """Searches until `trials` trials are finished, counting those of earlier calls.

    Args:
        base: the recipe, of which `SEARCH_SPACE` is varied; its seed is the search's too.
        training, validation: disjoint parts of the training set.
        trials: how many are to be finished; a trial that was interrupted does not count.
        storage: SQLite file that keeps them; made where it is missing.
        study: the search's name in it.
        device: to train on.
        on_trial: is told of every trial as it finishes, and how many have.
        photos: to draw `base.photos` from in every epoch.
        data: what a model would log of the images.

    Raises:
        UsageError: the study was begun with other settings or images, or is being worked on.
        OutputError: the storage is damaged or cannot be written.
        TrainingError: no trial ran to the end.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    run = functools.partial(
        train, training=training, validation=validation, device=device, photos=photos, data=data
    )
    with _opened(storage, study) as search:
        space = _space(len(training))
        _hold_to(search, _settings(base, validation, space), storage)
        for left in search.get_trials(states=(TrialState.RUNNING,)):
            search.tell(left.number, state=TrialState.FAIL)
        while (finished := len(search.get_trials(states=_FINISHED))) < trials:
            trial = _proposed(search, base, space, finished)
            _try(search, trial, recipe(base, trial.params), run)
            on_trial(search.trials[trial.number], finished + 1)
        return _result(search, base.seed)


def recipe(base: TrainConfig, found: Mapping[str, Any]) -> TrainConfig:
    """`base` with what was found in its place, rounded to four significant digits."""
    rounded: dict[str, Any] = {
        name: float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
        for name, value in found.items()
    }
    return dataclasses.replace(base, **rounded)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[optuna.Study]:
    """A study, new or begun; what goes wrong with its file becomes one of our errors."""
    make_folder(path.parent)
    with _alone_with(path), contextlib.ExitStack() as stack:
        try:
            search = optuna.create_study(
                storage=stack.enter_context(_database(path)),
                study_name=name,
                pruner=optuna.pruners.MedianPruner(),
                load_if_exists=True,
            )
            search.get_trials()
        except Exception as error:
            # Damage, wherever it is, shows now: a file's bytes fail in arbitrary ways.
            raise _unusable(path, error) from error
        try:
            yield search
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise _unusable(path, error) from error


@contextlib.contextmanager
def _database(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    database = optuna.storages.RDBStorage(
        # In a URL, some characters that a file's name may have would mean something.
        "sqlite:///study",
        engine_kwargs={"creator": partial(sqlite3.connect, path)},
    )
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def _unusable(path: Path, error: BaseException) -> OutputError:
    while error.__cause__:
        error = error.__cause__  # what SQLite says, without what is said around it
    return OutputError(
        f"--storage {path}: damaged, no study's file, or cannot be written ({error}); name another"
    )


@contextlib.contextmanager
def _alone_with(path: Path) -> Iterator[None]:
    """Keeps a second process out, which would take this one's trial for interrupted."""
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"--storage {path}: another search is at work on it, or it cannot be written; "
            "wait for it, or name another"
        ) from error
    except OSError as error:
        raise OutputError(f"--storage {path}: cannot be written ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


def _space(images: int) -> dict[str, BaseDistribution]:
    """What is searched on so many training images: no batches that they do not fill."""
    batches = [size for size in _BATCH_SIZES if size <= images]
    space = dict(SEARCH_SPACE)
    if batches:
        return space | {"batch_size": CategoricalDistribution(batches)}
    del space["batch_size"]
    return space


def _settings(
    base: TrainConfig, validation: Digits, space: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """What has to be the same for the losses of two trials to compare."""
    fields = dataclasses.asdict(base)
    kept = {name: value for name, value in fields.items() if name not in space}
    return kept | {
        "images": hashlib.sha256(validation.images.numpy().tobytes()).hexdigest()[:12],
        "space": {name: distribution_to_json(part) for name, part in space.items()},
    }


def _hold_to(search: optuna.Study, settings: dict[str, Any], storage: Path) -> None:
    """Notes the settings of a study that begins; refuses others for one that goes on."""
    begun_with = search.user_attrs.get("settings")
    if begun_with is None:
        search.set_user_attr("settings", settings)
        return
    other = [name for name, value in settings.items() if begun_with.get(name, value) != value]
    if other:
        raise UsageError(
            f"--study {search.study_name}: begun with other settings in {storage} "
            f"({', '.join(other)}); give the same again, or name another study"
        )


def _proposed(
    search: optuna.Study,
    base: TrainConfig,
    space: Mapping[str, BaseDistribution],
    finished: int,
) -> Trial:
    """A trial with values for all that is searched; the first one is the recipe as it stands."""
    (seed,) = np.random.SeedSequence((base.seed, finished)).generate_state(1)
    search.sampler = optuna.samplers.TPESampler(seed=int(seed))
    if finished == 0 and not search.get_trials(states=(TrialState.WAITING,)):
        search.enqueue_trial(
            {
                name: getattr(base, name)
                for name, part in space.items()
                if _holds(part, getattr(base, name))
            }
        )
    return search.ask(dict(space))


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return bool(value in distribution.choices)
    assert isinstance(distribution, FloatDistribution)
    return bool(distribution.low <= value <= distribution.high)


def _try(
    search: optuna.Study,
    trial: Trial,
    config: TrainConfig,
    train: Callable[..., TrainResult],
) -> None:
    """Trains once, in a folder that does not stay, and keeps how it went."""
    try:
        with tempfile.TemporaryDirectory(prefix="mnist-edge-tune-") as folder:
            callback = _Judge(trial, config.epochs)
            best = train(config, run=RunFolder(Path(folder)), callback=callback).best
    except optuna.TrialPruned:
        search.tell(trial, state=TrialState.PRUNED)
    except (TrainingError, UsageError) as error:
        # It diverged, or so few images make no such batch: a result like others, and one that the
        # next proposals keep away from.
        trial.set_user_attr("error", str(error))
        search.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr("val_accuracy", best.val_accuracy)
        search.tell(trial, best.val_loss)


class _Judge:
    """Hears of every epoch's loss and stops a trial that lags behind the others."""

    def __init__(self, trial: Trial, epochs: int) -> None:
        self._trial, self._epochs = trial, epochs

    def on_step(self, report: StepReport) -> None:
        pass

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:  # noqa: ARG002 - a protocol's
        self._trial.report(record["val_loss"], record["epoch"])
        if record["epoch"] < self._epochs and self._trial.should_prune():
            raise optuna.TrialPruned


def _result(search: optuna.Study, seed: int) -> TuneResult:
    complete = search.get_trials(states=(TrialState.COMPLETE,))
    if not complete:
        errors = [trial.user_attrs.get("error") for trial in search.trials]
        reason = next((f" ({error})" for error in errors if error), "")
        raise TrainingError(f"study {search.study_name}: no trial ran to the end{reason}")
    return TuneResult(
        search.get_trials(states=_FINISHED),
        sorted(complete, key=lambda trial: trial.value or 0.0),
        _importance(search, seed) if len(complete) >= _FEWEST_FOR_IMPORTANCE else {},
    )


def _importance(search: optuna.Study, seed: int) -> dict[str, float]:
    try:
        return get_param_importances(search, evaluator=FanovaImportanceEvaluator(seed=seed))
    except RuntimeError:  # all losses are the same
        return {}
