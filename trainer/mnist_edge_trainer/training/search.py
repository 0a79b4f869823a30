"""The search for a better recipe: Optuna proposes, the training loop tries, validation decides.

Proposals come from a tree-structured Parzen estimator (J. Bergstra et al., "Algorithms for
hyper-parameter optimization", NIPS 2011); a trial whose loss, after an epoch, is worse than the
median of the earlier trials is stopped. Every proposal draws its randomness from its own seed
and from the finished trials, so an interrupted search that goes on tries the same recipes as an
uninterrupted one. The test images are not used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from filelock import FileLock
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, Trial, TrialState

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge_trainer.aliases import current_fields
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.callbacks import StepReport
from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.search_storage import SearchStorage
from mnist_edge_trainer.training.threads import Threads, choose_threads
from mnist_edge_trainer.training.training_data import TrainingData

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
"""The fields of `TrainConfig` that are searched, each with its range."""

_WAIT = 0.5
"""Seconds after which to look again whether another process has finished its trial."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_FEWEST_FOR_IMPORTANCE = 4
_SIGNIFICANT_DIGITS = 4
"""A number of a recipe is rounded to this many before it is tried."""


@dataclass(frozen=True)
class TuneResult:
    """The outcome of a search.

    Attributes:
        finished: all trials that count, in order: those that ran to the end, and those that were
            stopped because they were worse than the others, or failed (`user_attrs["error"]` has
            the reason). The first is the unchanged recipe, where the search space contains it.
        best: those that ran to the end, best first. `value` is the lowest validation loss of an
            epoch, nats; `user_attrs["val_accuracy"]` is the accuracy of that epoch, fraction.
        importance: share of the loss's variance that each hyperparameter explains, adding up to 1
            (fANOVA: F. Hutter, H. Hoos, K. Leyton-Brown, ICML 2014); empty where too few trials
            ran to the end.
    """

    finished: list[FrozenTrial]
    best: list[FrozenTrial]
    importance: dict[str, float]


def tune(
    base: TrainConfig,
    data: TrainingData,
    *,
    trials: int,
    storage: Path | str,
    study: str,
    device: torch.device,
    on_trial: Callable[[FrozenTrial, int], None],
    on_threads: Callable[[Threads], None] = lambda _: None,
) -> TuneResult:
    """Searches until `trials` trials are finished, those of earlier calls included.

    Other processes may work on the same study meanwhile; their trials count too.

    Args:
        base: the recipe whose `SEARCH_SPACE` fields are varied; its seed is the search's too.
        data: images to train on and to validate with.
        trials: number to finish; an interrupted trial does not count.
        storage: SQLite file that keeps the trials, made where it is missing; or another database's
            URL.
        study: the search's name in it.
        device: to train on.
        on_trial: called after each trial, with the number of finished ones.
        on_threads: called before the first, with the number of threads of every trial.

    Raises:
        UsageError: the study was begun with other settings or images.
        OutputError: the storage is damaged, or cannot be reached or written.
        TrainingError: no trial ran to the end.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    shared = SearchStorage(storage)
    with shared.study(study) as search:
        space = _search_space(len(data.training))
        with shared.alone():
            _check_settings(search, _settings(base, data.validation, space))
            threads = _threads(search, base, data, device, on_threads)
        base = dataclasses.replace(base, threads=threads)
        while (proposed := _next_trial(search, shared, base, space, trials)) is not None:
            trial, lock = proposed
            try:
                _run_trial(search, trial, recipe(base, trial.params), data, device, shared)
            finally:
                shared.end(trial.number, lock)
            finished = len(search.get_trials(states=_FINISHED))
            on_trial(search.trials[trial.number], finished)
        return _result(search, base.seed)


def _next_trial(
    search: optuna.Study,
    storage: SearchStorage,
    base: TrainConfig,
    space: Mapping[str, BaseDistribution],
    trials: int,
) -> tuple[Trial, FileLock | None] | None:
    """The next trial, marked as running; None once enough are finished.

    Where others run the last ones, it waits for them: should one be interrupted, it is run here.
    """
    while True:
        with storage.alone():
            running = 0
            for trial in search.get_trials(states=(TrialState.RUNNING,)):
                if not storage.is_interrupted(trial.number):
                    running += 1
                elif search.trials[trial.number].state is TrialState.RUNNING:
                    search.tell(trial.number, state=TrialState.FAIL)
                # Otherwise it has ended since they were listed.
            finished = len(search.get_trials(states=_FINISHED))
            if finished >= trials:
                return None
            if finished + running < trials or not storage.knows_the_running:
                proposed = _propose(search, base, space, finished, running)
                return proposed, storage.begin(proposed.number)
        time.sleep(_WAIT)


def recipe(base: TrainConfig, params: Mapping[str, Any]) -> TrainConfig:
    """The base recipe with a trial's values, rounded to four significant digits."""
    rounded: dict[str, Any] = {
        name: float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
        for name, value in params.items()
    }
    return dataclasses.replace(base, **rounded)


def _search_space(images: int) -> dict[str, BaseDistribution]:
    """`SEARCH_SPACE` without batches that are larger than the training set."""
    batches = [size for size in _BATCH_SIZES if size <= images]
    space = dict(SEARCH_SPACE)
    if batches:
        return space | {"batch_size": CategoricalDistribution(batches)}
    del space["batch_size"]
    return space


def _settings(
    base: TrainConfig, validation: Digits, space: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """All that two trials must share for their losses to be comparable."""
    fields = dataclasses.asdict(base)
    fixed = {name: value for name, value in fields.items() if name not in (*space, "threads")}
    return fixed | {
        "images": hashlib.sha256(validation.images.numpy().tobytes()).hexdigest()[:12],
        "space": {name: distribution_to_json(part) for name, part in space.items()},
    }


def _check_settings(search: optuna.Study, settings: dict[str, Any]) -> None:
    """Stores the settings of a new study; raises UsageError where those of an old one differ."""
    stored = search.user_attrs.get("settings")
    if stored is None:
        search.set_user_attr("settings", settings)
        return
    stored = current_fields(stored)
    differing = [name for name, value in settings.items() if stored.get(name, value) != value]
    if differing:
        raise UsageError(
            f"--study {search.study_name}: begun with other settings "
            f"({', '.join(differing)}); use the same settings, or another study"
        )


def _threads(
    search: optuna.Study,
    base: TrainConfig,
    data: TrainingData,
    device: torch.device,
    on_threads: Callable[[Threads], None],
) -> int:
    """The number of threads of every trial: chosen when the study is begun, and kept in it."""
    kept = search.user_attrs.get("threads")
    if isinstance(kept, int):
        base = dataclasses.replace(base, threads=kept)
    threads = choose_threads(base, data.training, data.facts, device, resume=isinstance(kept, int))
    search.set_user_attr("threads", threads.count)
    on_threads(threads)
    return threads.count


def _propose(
    search: optuna.Study,
    base: TrainConfig,
    space: Mapping[str, BaseDistribution],
    finished: int,
    running: int,
) -> Trial:
    """A trial with a value for each searched field; the first trial is the unchanged recipe."""
    entropy = (base.seed, finished, running) if running else (base.seed, finished)
    (seed,) = np.random.SeedSequence(entropy).generate_state(1)
    # What others are trying counts as bad meanwhile, so that not all try the same.
    search.sampler = optuna.samplers.TPESampler(seed=int(seed), constant_liar=running > 0)
    if finished + running == 0 and not search.get_trials(states=(TrialState.WAITING,)):
        search.enqueue_trial(
            {
                name: getattr(base, name)
                for name, distribution in space.items()
                if _contains(distribution, getattr(base, name))
            }
        )
    return search.ask(dict(space))


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return bool(value in distribution.choices)
    assert isinstance(distribution, FloatDistribution)
    return bool(distribution.low <= value <= distribution.high)


def _run_trial(
    search: optuna.Study,
    trial: Trial,
    config: TrainConfig,
    data: TrainingData,
    device: torch.device,
    storage: SearchStorage,
) -> None:
    """Trains once, in a temporary folder, and stores the outcome in the study."""
    try:
        with storage.folder_of(trial.number) as folder:
            callback = _PruningCallback(trial, config.epochs)
            best = train(config, data, RunFolder(folder), device=device, callback=callback).best
    except optuna.TrialPruned:
        search.tell(trial, state=TrialState.PRUNED)
    except (TrainingError, UsageError) as error:
        # It diverged, or there are too few images for the batch size: a result like any other,
        # which the next proposals keep away from.
        trial.set_user_attr("error", str(error))
        search.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr("val_accuracy", best.val_accuracy)
        search.tell(trial, best.val_loss)


class _PruningCallback:
    """Reports every epoch's loss to Optuna, and stops a trial that is worse than the median."""

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
