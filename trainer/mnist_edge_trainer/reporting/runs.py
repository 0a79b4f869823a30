"""What the folder of a training run says of it, read from its text files alone, without torch.

``config.json`` is there from the start, ``history.csv`` from the end of the first epoch, and
``evaluation-SPLIT.json`` once `mnist-edge evaluate` has written it.
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

__all__ = [
    "ROOT",
    "ClassScores",
    "Epoch",
    "Evaluation",
    "Int8Evaluation",
    "Mistake",
    "Run",
    "find_runs",
    "read_evaluation",
    "read_run",
    "twins",
]

ROOT = Path("runs")
"""Where `mnist-edge train` puts the runs that are not told where to go."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Epoch:
    """One row of ``history.csv``. Losses are cross-entropy in nats, accuracies fractions.

    `val_photo_accuracy` is None where there were no photographs to validate with.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_photo_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run's recipe and how it went.

    Attributes:
        path: its folder.
        config: the recipe, as it was written: what options there are depends on the version.
        history: of the epochs that are over, in order; may be empty.
        changed: when the last of them ended, local time; when the run began where there is none.
    """

    path: Path
    config: Mapping[str, Any]
    history: Sequence[Epoch]
    changed: datetime

    @property
    def arch(self) -> str:
        return str(self.config["arch"])

    @property
    def epochs(self) -> int:
        """That were asked for."""
        return int(self.config["epochs"])

    @property
    def dataset(self) -> str:
        # The first versions knew one and did not name it.
        return str(self.config.get("dataset", "mnist"))

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept: that of the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.val_loss, default=None)

    @property
    def stopped_early(self) -> bool:
        """Whether its patience ran out before its epochs did."""
        patience = self.config.get("patience")
        if self.best is None or patience is None or len(self.history) >= self.epochs:
            return False
        return len(self.history) - self.best.epoch >= int(patience)

    @property
    def finished(self) -> bool:
        """Whether it came to its end, rather than being interrupted or still at it."""
        return len(self.history) >= self.epochs or self.stopped_early

    @property
    def seconds(self) -> float:
        """Of training and validation."""
        return sum(epoch.seconds for epoch in self.history)


@dataclass(frozen=True)
class ClassScores:
    """Of one class, or their plain average ("macro"): fractions, and how many images it has."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Mistake:
    """An image of class `true` that was told to be `predicted` with this probability."""

    index: int
    true: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class Int8Evaluation:
    """What became of the same scores in the int8 file."""

    file: str
    bytes: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    ece: float
    macro: ClassScores
    confusion: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Evaluation:
    """``evaluation-SPLIT.json``.

    Attributes:
        images: how many were told.
        accuracy, accuracy_interval: top-1 and its 95 % interval (Wilson), fractions.
        loss: cross-entropy, nats.
        ece: expected calibration error, fraction.
        classes: in the order of the confusion matrix.
        confusion: counts, true classes by row, predicted by column.
        mistakes: all of them, the most confident first.
    """

    model: str
    split: str
    dataset: str
    images: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    ece: float
    classes: Sequence[ClassScores]
    macro: ClassScores
    confusion: Sequence[Sequence[int]]
    mistakes: Sequence[Mistake]
    int8: Int8Evaluation | None


def find_runs(root: Path = ROOT) -> list[Path]:
    """The folders under `root` that hold a run, the one that changed last at the end."""
    folders = [path for path in root.glob("*") if _changed(path) is not None]
    return sorted(folders, key=lambda path: (_changed(path) or 0, path.name))


def read_run(path: Path) -> Run:
    """Reads ``config.json`` and ``history.csv``.

    Raises:
        UsageError: there is no run.
        TrainingError: one of them is damaged.
    """
    changed = _changed(path)
    if changed is None:
        raise UsageError(f"{path}: no such run; a run is a folder that `mnist-edge train` made")
    config = _read(path / "config.json", _config, "{}")
    history = _read(path / "history.csv", _history, "")
    return Run(path, config, history, datetime.fromtimestamp(changed))


def read_evaluation(path: Path, split: str) -> Evaluation | None:
    """Reads a run's ``evaluation-SPLIT.json``; None = it has not been evaluated.

    Raises:
        TrainingError: the file is damaged.
    """
    return _read(path / f"evaluation-{split}.json", _evaluation, "null")


def twins(run: Run) -> list[Run]:
    """The finished runs beside this one that differ from it in nothing but the seed; and itself."""
    found = [run]
    for path in find_runs(run.path.parent):
        try:
            other = read_run(path)
        except (TrainingError, UsageError):
            continue
        if other.finished and other.seed != run.seed and _without_seed(other) == _without_seed(run):
            found.append(other)
    return found


def _without_seed(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.config.items() if name != "seed"}


def _changed(path: Path) -> float | None:
    """When the run was last written to, seconds since the epoch; None = it is no run."""
    for name in ("history.csv", "config.json"):
        if os.path.isfile(path / name):
            return os.stat(path / name).st_mtime
    return None


def _read(path: Path, parse: Callable[[str], _T], missing: str) -> _T:
    """What `parse` makes of a file, or of the text `missing` where there is none."""
    try:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = missing
        return parse(text)
    except (KeyError, TypeError, ValueError, OverflowError, OSError, csv.Error) as error:
        raise TrainingError(
            f"{path}: damaged, or not of this version of mnist-edge ({_reason(error)}); "
            "use another run"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return " ".join(str(error).split())


def _config(text: str) -> dict[str, Any]:
    config = json.loads(text)
    if not isinstance(config, dict):
        raise TypeError("no table of options")
    config = current_fields(config)
    known = {"arch": str(config["arch"])} | {name: int(config[name]) for name in ("epochs", "seed")}
    patience = config.get("patience")
    return config | known | ({} if patience is None else {"patience": int(patience)})


def _history(text: str) -> list[Epoch]:
    rows = csv.DictReader(text.splitlines())
    if text and "epoch" not in (rows.fieldnames or ()):
        raise KeyError("epoch")
    return [
        Epoch(
            epoch=int(row["epoch"]),
            train_loss=float(row["train_loss"]),
            train_accuracy=float(row["train_accuracy"]),
            val_loss=float(row["val_loss"]),
            val_accuracy=float(row["val_accuracy"]),
            val_photo_accuracy=float(photos) if (photos := row.get("val_photo_accuracy")) else None,
            seconds=float(row["seconds"]),
        )
        for row in rows
    ]


def _evaluation(text: str) -> Evaluation | None:
    values = json.loads(text)
    if values is None:
        return None
    classes = [_scores(entry, str(entry["label"])) for entry in values["classes"]]
    return Evaluation(
        model=str(values["model"]),
        split=str(values["split"]),
        dataset=str(values["dataset"]),
        images=int(values["images"]),
        accuracy=float(values["accuracy"]),
        accuracy_interval=_interval(values),
        loss=float(values["loss"]),
        ece=float(values["ece"]),
        classes=classes,
        macro=_scores(values["macro"], "macro"),
        confusion=_confusion(values, len(classes)),
        mistakes=[
            Mistake(
                int(entry["index"]),
                str(entry["true"]),
                str(entry["predicted"]),
                float(entry["confidence"]),
            )
            for entry in values["mistakes"]
        ],
        int8=None if values["int8"] is None else _int8(values["int8"], len(classes)),
    )


def _int8(values: Mapping[str, Any], classes: int) -> Int8Evaluation:
    return Int8Evaluation(
        file=str(values["file"]),
        bytes=int(values["bytes"]),
        accuracy=float(values["accuracy"]),
        accuracy_interval=_interval(values),
        loss=float(values["loss"]),
        ece=float(values["ece"]),
        macro=_scores(values["macro"], "macro"),
        confusion=_confusion(values, classes),
    )


def _scores(values: Mapping[str, Any], label: str) -> ClassScores:
    return ClassScores(
        label,
        float(values["precision"]),
        float(values["recall"]),
        float(values["f1"]),
        int(values["support"]),
    )


def _interval(values: Mapping[str, Any]) -> tuple[float, float]:
    low, high = values["accuracy_interval"]
    return float(low), float(high)


def _confusion(values: Mapping[str, Any], classes: int) -> list[list[int]]:
    matrix = [[int(count) for count in row] for row in values["confusion"]]
    if classes == 0 or [len(row) for row in matrix] != [classes] * classes:
        raise ValueError(f"the confusion matrix is not one of {classes} classes")
    return matrix
