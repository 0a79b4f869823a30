"""`mnist-edge runs`: the training runs, listed or compared.

Without torch: all that is shown is in the text files of a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mnist_edge.cli.console import log
from mnist_edge.errors import TrainingError, UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import JSON_FLAGS, check_training_packages, examples
from mnist_edge_trainer.evaluation.records import Evaluation
from mnist_edge_trainer.reporting.runs import (
    ROOT,
    Run,
    find_runs,
    read_evaluation,
    read_run,
)

__all__ = ["EXAMPLES", "RunsOptions", "runs"]

EXAMPLES = examples("mnist-edge runs", "mnist-edge runs lenet-1 lenet-2")


@dataclass(frozen=True)
class RunsOptions:
    """Options of `mnist-edge runs`."""

    names: list[str] | None = option(
        None,
        "Two or more runs to compare: folders, or names under runs.",
        metavar="RUN",
        shown_default="all",
        is_argument=True,
    )
    as_json: bool = option(False, *JSON_FLAGS)


@dataclass(frozen=True)
class _Entry:
    """A run, and its evaluation on the test images; None where there is none."""

    run: Run
    test: Evaluation | None


def runs(options: RunsOptions) -> None:
    """List the training runs, or compare some: how their recipes and their results differ."""
    check_training_packages()
    names = options.names or []
    entries = [_read(_folder(name)) for name in names] if names else _read_all()
    if options.as_json:
        print(json.dumps([_to_dict(entry) for entry in entries], indent=2))
    elif len(names) > 1:
        _print_comparison(entries)
    elif entries:
        _print_list(entries)


def _folder(name: str) -> Path:
    return Path(name) if os.path.isdir(name) else ROOT / name


def _read(folder: Path) -> _Entry:
    return _Entry(read_run(folder), read_evaluation(folder, "test"))


def _read_all() -> list[_Entry]:
    """Every run, the newest last; damaged ones are reported and skipped."""
    folders = find_runs()
    if not folders:
        raise UsageError(f"{ROOT}: no training run here; start one with `mnist-edge train`")
    entries = []
    for folder in folders:
        try:
            entries.append(_read(folder))
        except TrainingError as error:
            log(str(error))
    return entries


_Column: TypeAlias = tuple[str, Callable[[_Entry], str]]
"""A header, and the text below it."""

_PROGRESS: tuple[_Column, ...] = (
    ("epochs done", lambda entry: f"{len(entry.run.history)}/{entry.run.epochs}"),
    ("best", lambda entry: _best(entry, "epoch", "d")),
    ("val. loss", lambda entry: _best(entry, "val_loss", ".4f")),
    ("val. top-1", lambda entry: _best(entry, "val_accuracy", ".2%")),
)
_RESULTS: tuple[_Column, ...] = (
    ("minutes", lambda entry: f"{entry.run.seconds / 60:.1f}"),
    ("test top-1", lambda entry: "-" if entry.test is None else f"{entry.test.accuracy:.2%}"),
    ("int8", lambda entry: _int8(entry, "accuracy", ".2%")),
)
_LIST: tuple[_Column, ...] = (
    ("run", lambda entry: entry.run.path.name),
    ("arch", lambda entry: entry.run.arch),
    ("dataset", lambda entry: entry.run.dataset),
    *_PROGRESS,
    ("seed", lambda entry: str(entry.run.seed)),
    *_RESULTS,
)
_COMPARISON: tuple[_Column, ...] = (
    *_PROGRESS,
    ("val. photographs", lambda entry: _best(entry, "val_photo_accuracy", ".2%")),
    ("training loss", lambda entry: _best(entry, "train_loss", ".4f")),
    *_RESULTS,
    ("test interval", lambda entry: "-" if entry.test is None else _interval(entry.test)),
    ("test ECE", lambda entry: "-" if entry.test is None else f"{entry.test.ece:.2%}"),
    ("int8 bytes", lambda entry: _int8(entry, "bytes", ",")),
)


def _best(entry: _Entry, name: str, form: str) -> str:
    """A figure of the best epoch."""
    value = None if entry.run.best is None else getattr(entry.run.best, name)
    return "-" if value is None else format(value, form)


def _int8(entry: _Entry, name: str, form: str) -> str:
    if entry.test is None or entry.test.int8 is None:
        return "-"
    return format(getattr(entry.test.int8, name), form)


def _interval(test: Evaluation) -> str:
    low, high = test.accuracy_interval
    return f"{low:.2%}..{high:.2%}"


def _print_list(entries: Sequence[_Entry]) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    print_table(
        [header for header, _ in _LIST],
        [[figure(entry) for _, figure in _LIST] for entry in entries],
    )


def _print_comparison(entries: Sequence[_Entry]) -> None:
    """A column for each run: the options in which they differ, then the results."""
    from mnist_edge.outputs.terminal_table import print_table

    names = dict.fromkeys(name for entry in entries for name in entry.run.config)
    options = [[name, *(_option(entry.run, name) for entry in entries)] for name in names]
    figures = [[name, *(figure(entry) for entry in entries)] for name, figure in _COMPARISON]
    print_table(
        ["", *(entry.run.path.name for entry in entries)],
        [
            *([name.replace("_", " "), *values] for name, *values in options if _differ(values)),
            *([name, *values] for name, *values in figures if set(values) != {"-"}),
        ],
    )


def _differ(values: Sequence[str]) -> bool:
    return len(set(values)) > 1


def _option(run: Run, name: str) -> str:
    """The text of an option; `-` where the version that made the run did not have it."""
    value = run.config.get(name)
    if isinstance(value, str):
        return value
    return "-" if name not in run.config else json.dumps(value)


def _to_dict(entry: _Entry) -> dict[str, Any]:
    run, test, best = entry.run, entry.test, entry.run.best
    int8 = None if test is None else test.int8
    return {
        "run": str(run.path),
        "arch": run.arch,
        "dataset": run.dataset,
        "seed": run.seed,
        "epochs": run.epochs,
        "epochs_done": len(run.history),
        "finished": run.finished,
        "best_epoch": best and best.epoch,
        "train_loss": best and best.train_loss,
        "val_loss": best and best.val_loss,
        "val_accuracy": best and best.val_accuracy,
        "val_photo_accuracy": best and best.val_photo_accuracy,
        "seconds": run.seconds,
        "test_accuracy": test and test.accuracy,
        "int8_accuracy": int8 and int8.accuracy,
        "config": dict(run.config),
    }
