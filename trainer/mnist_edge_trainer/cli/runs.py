"""`mnist-edge runs`: what was trained, and what made a difference."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_edge.cli.console import log
from mnist_edge.errors import TrainingError, UsageError, one_line
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.evaluation.records import Evaluation
from mnist_edge_trainer.reporting.runs import ROOT, Run, find_runs, read_evaluation, read_run

__all__ = ["runs"]


@dataclass(frozen=True)
class _Scored:
    run: Run
    test: Evaluation | None


def runs(names: Sequence[str], *, as_json: bool) -> None:
    """Lists the runs, the newest last, or compares those that are named.

    Args:
        names: folders, or their names under ``runs``; none = all that are there.
        as_json: print an array with an object for each run.

    Raises:
        UsageError: there are no runs, or not the one that is named.
        TrainingError: one that is named is damaged; in a list of all it is skipped, and said so.
    """
    scored = [_score(_folder(name)) for name in names] if names else _all()
    if as_json:
        print(json.dumps([_as_json(one) for one in scored], indent=2))
    elif len(names) > 1:
        _print_comparison(scored)
    elif scored:
        _print_list(scored)


def _all() -> list[_Scored]:
    folders = find_runs()
    if not folders:
        raise UsageError(f"{ROOT}: no training run here; start one with `mnist-edge train`")
    scored = []
    for folder in folders:
        try:
            scored.append(_score(folder))
        except TrainingError as error:
            log(one_line(str(error)))
    return scored


def _folder(name: str) -> Path:
    return Path(name) if os.path.isdir(name) else ROOT / name


def _score(folder: Path) -> _Scored:
    return _Scored(read_run(folder), read_evaluation(folder, "test"))


_Column = tuple[str, Callable[[_Scored], str]]

_HOW_FAR: tuple[_Column, ...] = (
    ("epochs done", lambda one: f"{len(one.run.history)}/{one.run.epochs}"),
    ("best", lambda one: _of_best(one, "epoch", "d")),
    ("val. loss", lambda one: _of_best(one, "val_loss", ".4f")),
    ("val. top-1", lambda one: _of_best(one, "val_accuracy", ".2%")),
)
_HOW_GOOD: tuple[_Column, ...] = (
    ("minutes", lambda one: f"{one.run.seconds / 60:.1f}"),
    ("test top-1", lambda one: "-" if one.test is None else f"{one.test.accuracy:.2%}"),
    ("int8", lambda one: _int8(one, "accuracy", ".2%")),
)
_LIST: tuple[_Column, ...] = (
    ("run", lambda one: one_line(one.run.path.name)),
    ("arch", lambda one: one.run.arch),
    ("dataset", lambda one: one_line(one.run.dataset)),
    *_HOW_FAR,
    ("seed", lambda one: str(one.run.seed)),
    *_HOW_GOOD,
)
_COMPARISON: tuple[_Column, ...] = (
    *_HOW_FAR,
    ("val. photographs", lambda one: _of_best(one, "val_photo_accuracy", ".2%")),
    ("training loss", lambda one: _of_best(one, "train_loss", ".4f")),
    *_HOW_GOOD,
    ("test interval", lambda one: "-" if one.test is None else _interval(one.test)),
    ("test ECE", lambda one: "-" if one.test is None else f"{one.test.ece:.2%}"),
    ("int8 bytes", lambda one: _int8(one, "bytes", ",")),
)


def _of_best(one: _Scored, name: str, form: str) -> str:
    value = None if one.run.best is None else getattr(one.run.best, name)
    return "-" if value is None else format(value, form)


def _int8(one: _Scored, name: str, form: str) -> str:
    if one.test is None or one.test.int8 is None:
        return "-"
    return format(getattr(one.test.int8, name), form)


def _interval(test: Evaluation) -> str:
    low, high = test.accuracy_interval
    return f"{low:.2%}..{high:.2%}"


def _print_list(scored: Sequence[_Scored]) -> None:
    print_table(
        [name for name, _ in _LIST], [[figure(one) for _, figure in _LIST] for one in scored]
    )


def _print_comparison(scored: Sequence[_Scored]) -> None:
    """A column for each run: the options in which they differ, then how they did."""
    names = list(dict.fromkeys(name for one in scored for name in one.run.config))
    options = [(name, [_option(one.run, name) for one in scored]) for name in names]
    figures = [(name, [figure(one) for one in scored]) for name, figure in _COMPARISON]
    print_table(
        ["", *(one_line(one.run.path.name) for one in scored)],
        [
            *(
                [name.replace("_", " "), *values]
                for name, values in options
                if len(set(values)) > 1
            ),
            *([name, *values] for name, values in figures if set(values) != {"-"}),
        ],
    )


def _option(run: Run, name: str) -> str:
    """`-` where the version that made the run did not have the option."""
    value = run.config.get(name)
    if isinstance(value, str):
        return one_line(value)
    return "-" if name not in run.config else json.dumps(value)


def _as_json(one: _Scored) -> dict[str, Any]:
    run, test, best = one.run, one.test, one.run.best
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
