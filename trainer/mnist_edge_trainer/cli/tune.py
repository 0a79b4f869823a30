"""`mnist-edge tune`: searches for a better recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import (
    ARCH,
    DATA,
    DATASET,
    DEVICE,
    examples,
    print_line,
    training_packages,
    warn_of_missing,
)

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from mnist_edge_trainer.training.config import TrainConfig
    from mnist_edge_trainer.training.search import TuneResult

__all__ = ["EXAMPLES", "TuneOptions", "tune"]

EXAMPLES = examples(
    "mnist-edge tune --arch lenet --trials 30",
    "mnist-edge train --config runs/tuned.toml --epochs 50",
)

_SEARCH_PANEL = "Search"

_BEST = 5
"""Trials that are listed, the best first."""


@dataclass(frozen=True)
class TuneOptions:
    """Options of `mnist-edge tune`."""

    arch: str | None = option(None, **ARCH, panel=_SEARCH_PANEL)
    trials: int = option(
        20,
        "Trials to complete, those of earlier calls included.",
        metavar="N",
        minimum=1,
        panel=_SEARCH_PANEL,
    )
    epochs: int = option(5, "Epochs of each trial.", metavar="N", minimum=1, panel=_SEARCH_PANEL)
    photos: int = option(
        0,
        "Simulated photographs per epoch, in addition to the images.",
        metavar="N",
        minimum=0,
        panel=_SEARCH_PANEL,
    )
    seed: int | None = option(
        None,
        "Random seed of the search and of every trial.",
        metavar="N",
        shown_default="0",
        panel=_SEARCH_PANEL,
    )
    storage: str = option(
        "runs/tune.db",
        "SQLite file with the trials, or a database's URL; several processes may share it.",
        metavar="FILE",
        panel=_SEARCH_PANEL,
    )
    study: str | None = option(
        None,
        "Name of the search in that file.",
        metavar="NAME",
        shown_default="the architecture's name",
        panel=_SEARCH_PANEL,
    )
    output: Path = option(
        Path("runs/tuned.toml"),
        "Write the best recipe to this file.",
        metavar="FILE.toml",
        hidden_flags=("--out",),
        panel=_SEARCH_PANEL,
    )
    dataset: str | None = option(None, **DATASET)
    data: Path | None = option(None, **DATA)
    device: str = option("auto", **DEVICE)


def tune(options: TuneOptions) -> None:
    """Search for a better recipe, by the loss on the validation split alone.

    Optuna's TPE sampler searches learning rate, batch size, weight decay, label smoothing, warm-up,
    moving average and augmentation; trials worse than the median are stopped early. The same
    command continues an interrupted search, and run again beside it, shares its trials. Needs the
    `tune` extra.
    """
    with training_packages(tune=True):
        from mnist_edge_trainer.aliases import current_fields
        from mnist_edge_trainer.architectures.registry import build
        from mnist_edge_trainer.data.datasets import DEFAULT_DATASET, load_dataset
        from mnist_edge_trainer.data.splits import missing_classes, split_training
        from mnist_edge_trainer.training import search
        from mnist_edge_trainer.training.device import pick_device
        from mnist_edge_trainer.training.run_plan import chosen_fields, recipe_for
        from mnist_edge_trainer.training.training_data import PhotoSet, TrainingData

    dataset = load_dataset(options.dataset or DEFAULT_DATASET, options.data, log)
    base = recipe_for(dataset, current_fields(chosen_fields(options)), options.data)
    build(base.arch)
    device = pick_device(options.device)
    study = options.study or base.arch
    _refuse_overwriting(options)
    training, validation = split_training(dataset.training, base.val_split)
    warn_of_missing(missing_classes(validation, dataset.labels))
    storage = _shown(options.storage)
    log(
        f"study {study} in {storage}: {base.arch}, {base.epochs} epochs a trial, "
        f"seed {base.seed}, on {device}: {len(training):,} images to train on, "
        f"{len(validation):,} to validate with"
    )
    try:
        photos = None
        if base.photos:
            with training_packages():
                from mnist_edge_trainer.synthetic.dataset import held_out_photos, training_photos

            photos = PhotoSet(training_photos(training), held_out_photos(validation))
        result = search.tune(
            base,
            TrainingData(training, validation, photos, facts=dataset.facts),
            trials=options.trials,
            storage=options.storage,
            study=study,
            device=device,
            on_trial=_report_trial(base, options.trials),
            on_threads=lambda threads: log(str(threads)),
        )
    except KeyboardInterrupt:
        log(
            f"interrupted; the finished trials are kept in {storage}: "
            "continue with the same command, which repeats the trial it was at"
        )
        raise
    _print_result(base, study, result)
    _write_best(base, study, result, options.output)


def _refuse_overwriting(options: TuneOptions) -> None:
    from mnist_edge.outputs.atomic import refuse_if_input
    from mnist_edge_trainer.data.datasets import DEFAULT_DATASET, dataset_files

    written = {"--output": options.output}
    if "://" not in options.storage:
        written["--storage"] = Path(options.storage)
    for flag, path in written.items():
        refuse_if_input(path, dataset_files(options.dataset or DEFAULT_DATASET, options.data), flag)
    refuse_if_input(options.output, [options.storage], "--output")
    if options.output.absolute() == Path(options.storage).absolute():
        raise UsageError(f"--output {options.output}: is the --storage too; choose another file")


def _shown(storage: str) -> str:
    """A database's URL may hold a password."""
    scheme, is_url, _ = storage.partition("://")
    return f"{scheme}://..." if is_url else storage


def _report_trial(base: TrainConfig, trials: int) -> Callable[[FrozenTrial, int], None]:
    """A function that prints a line for each trial."""
    from mnist_edge_trainer.training.search import SEARCH_SPACE, recipe

    def report(trial: FrozenTrial, finished: int) -> None:
        config = dataclasses.asdict(recipe(base, trial.params))
        values = " ".join(f"{name}={_text(config[name])}" for name in SEARCH_SPACE)
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
        log(f"{finished:>3}/{trials}  {_outcome(trial)}  {values}  {seconds:.1f} s")

    return report


def _outcome(trial: FrozenTrial) -> str:
    if trial.state.name == "COMPLETE":
        accuracy = trial.user_attrs["val_accuracy"]
        return f"validation loss {trial.value:.4f}, accuracy {accuracy:.2%}"
    if "error" in trial.user_attrs:
        reason, *_ = trial.user_attrs["error"].partition(";")
        return f"failed: {reason}"
    return f"stopped after epoch {trial.last_step}, validation loss {trial.value:.4f}"


def _print_result(base: TrainConfig, study: str, result: TuneResult) -> None:
    """The best trials, a column for each."""
    from mnist_edge.outputs.terminal_table import print_table
    from mnist_edge_trainer.training.search import SEARCH_SPACE, recipe

    best = result.best[:_BEST]
    configs = [dataclasses.asdict(recipe(base, trial.params)) for trial in best]
    stopped = len(result.finished) - len(result.best)
    print_line(f"study {study}: {len(result.finished)} trials, {stopped} of them stopped early")
    print()
    rows = [
        ["validation loss", *(f"{trial.value:.4f}" for trial in best), ""],
        ["accuracy", *(f"{trial.user_attrs['val_accuracy']:.2%}" for trial in best), ""],
    ]
    for name in SEARCH_SPACE:
        importance = f"{result.importance[name]:.0%}" if name in result.importance else ""
        rows.append([name, *(_text(config[name]) for config in configs), importance])
    print_table(["", *(f"trial {trial.number}" for trial in best), "importance"], rows)
    print()
    print_line(f"the recipe before the search: {_outcome(result.finished[0])}")


def _write_best(base: TrainConfig, study: str, result: TuneResult, path: Path) -> None:
    from mnist_edge_trainer.training.config import TrainConfig
    from mnist_edge_trainer.training.search import recipe

    best = result.best[0]
    comment = f"Trial {best.number} of study {study} of mnist-edge tune: {_outcome(best)}."
    recipe(base, best.params).save_recipe(path, comment)
    print_line(f"wrote {path}")
    log(f"next: mnist-edge train --config {quote(str(path))} --epochs {TrainConfig.epochs}")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
