"""Reads the text files in the folder of a training run, without torch.

``config.json`` is written when the run starts, ``history.csv`` after each epoch, and
``evaluation-SPLIT.json`` by `mnist-edge evaluate`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge_trainer.aliases import current_fields
from mnist_edge_trainer.evaluation.records import Epoch, Evaluation, read_history
from mnist_edge_trainer.files import read_text

__all__ = [
    "ROOT",
    "Run",
    "find_runs",
    "read_evaluation",
    "read_run",
    "runs_of_same_recipe",
]

ROOT = Path("runs")
"""Folder of the runs that `mnist-edge train` was given no folder for."""

_DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    AttributeError,
    RecursionError,
    OSError,
    csv.Error,
)
"""What a parser of such a file raises where the file is something else."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """The recipe and the history of a run.

    Attributes:
        path: its folder.
        config: the recipe, as it was written; which options it has depends on the version.
        history: the finished epochs, in order; may be empty.
        modified: when the last epoch ended, local time; without one, when the run started.
    """

    path: Path
    config: Mapping[str, Any]
    history: Sequence[Epoch]
    modified: datetime

    @property
    def arch(self) -> str:
        """Name of the architecture."""
        return str(self.config["arch"])

    @property
    def epochs(self) -> int:
        """Number of epochs in the recipe."""
        return int(self.config["epochs"])

    @property
    def dataset(self) -> str:
        """Name of the dataset; the first versions had one and did not write its name."""
        return str(self.config.get("dataset", "mnist"))

    @property
    def seed(self) -> int:
        """Random seed."""
        return int(self.config["seed"])

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept: that of the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.val_loss, default=None)

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended the run before its last epoch."""
        patience = self.config.get("patience")
        if self.best is None or patience is None or len(self.history) >= self.epochs:
            return False
        return len(self.history) - self.best.epoch >= int(patience)

    @property
    def finished(self) -> bool:
        """Whether the run ended by itself; False where it was interrupted or is running."""
        return len(self.history) >= self.epochs or self.stopped_early

    @property
    def seconds(self) -> float:
        """Duration of training and validation."""
        return sum(epoch.seconds for epoch in self.history)


def find_runs(root: Path = ROOT) -> list[Path]:
    """Finds the folders under `root` that hold a run, the last modified one at the end."""
    folders = [path for path in root.glob("*") if _modified(path) is not None]
    return sorted(folders, key=lambda path: (_modified(path) or 0, path.name))


def read_run(path: Path) -> Run:
    """Reads ``config.json`` and ``history.csv``.

    Raises:
        UsageError: there is no run.
        TrainingError: a file is damaged.
    """
    modified = _modified(path)
    if modified is None:
        raise UsageError(f"{path}: no such run; a run is a folder that `mnist-edge train` made")
    config = _read(path / "config.json", _parse_config, "{}")
    history = _read(path / "history.csv", read_history, "")
    return Run(path, config, history, datetime.fromtimestamp(modified))


def read_evaluation(path: Path, split: str) -> Evaluation | None:
    """Reads a run's ``evaluation-SPLIT.json``; None where there is none.

    Raises:
        TrainingError: the file is damaged.
    """
    return _read(path / f"evaluation-{split}.json", _parse_evaluation, "null")


def runs_of_same_recipe(run: Run) -> list[Run]:
    """Finds the finished runs beside a run that differ from it only in the seed.

    The number of threads does not count: it decides no more than the rounding.

    Returns:
        The run itself, then the others.
    """
    runs = [run]
    for path in find_runs(run.path.parent):
        try:
            other = read_run(path)
        except (TrainingError, UsageError):
            continue
        if other.finished and other.seed != run.seed and _recipe(other) == _recipe(run):
            runs.append(other)
    return runs


def _recipe(run: Run) -> dict[str, Any]:
    varying = ("seed", "threads")
    return {name: value for name, value in run.config.items() if name not in varying}


def _modified(path: Path) -> float | None:
    """Returns when a run was last written to, seconds since the epoch; None = not a run."""
    for name in ("history.csv", "config.json"):
        if os.path.isfile(path / name):
            return os.stat(path / name).st_mtime
    return None


def _read(path: Path, parse: Callable[[str], _T], missing: str) -> _T:
    """Parses the text of a file, or the text `missing` where there is no file."""
    try:
        try:
            text = read_text(path)
        except FileNotFoundError:
            text = missing
        return parse(text)
    except _DAMAGE as error:
        raise TrainingError(
            f"{path}: damaged, or not of this version of mnist-edge ({_reason(error)}); "
            "use another run"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return " ".join(str(error).split())


def _parse_config(text: str) -> dict[str, Any]:
    config = json.loads(text)
    if not isinstance(config, dict):
        raise TypeError("no table of options")
    config = current_fields(config)
    required = {"arch": str(config["arch"])}
    whole = {name: int(config[name]) for name in ("epochs", "seed")}
    for name in ("patience", "val_split"):  # the first versions did not have them
        if config.get(name) is None:
            config.pop(name, None)
        else:
            whole[name] = int(config[name])
    return config | required | whole


def _parse_evaluation(text: str) -> Evaluation | None:
    values = json.loads(text)
    return None if values is None else Evaluation.from_dict(values)
