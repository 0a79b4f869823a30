"""Records of a run's text files: the evaluation of a split, and the epochs of its training.

`Evaluation` is written to and read from ``evaluation-SPLIT.json``; `Epoch` is a row of
``history.csv``. Nothing here needs torch or numpy, so that listing runs is quick.

The ``from_...`` methods raise KeyError, TypeError or ValueError where a value is missing or of
another kind.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "ClassScores",
    "DetailedScores",
    "Epoch",
    "Evaluation",
    "Int8Evaluation",
    "Mistake",
    "Scores",
    "read_history",
]


@dataclass(frozen=True)
class Epoch:
    """One row of ``history.csv``.

    Attributes:
        epoch: number, from 1.
        train_loss, val_loss: cross-entropy, nats.
        train_accuracy, val_accuracy: top-1, fractions.
        val_photo_accuracy: top-1 on simulated photographs of validation digits, fraction; None
            where there were none.
        seconds: duration of training and validation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_photo_accuracy: float | None
    seconds: float

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Epoch:
        """Parses a row of ``history.csv``, by the names of its columns."""
        photo_accuracy = row.get("val_photo_accuracy")
        return cls(
            epoch=int(row["epoch"]),
            train_loss=float(row["train_loss"]),
            train_accuracy=float(row["train_accuracy"]),
            val_loss=float(row["val_loss"]),
            val_accuracy=float(row["val_accuracy"]),
            val_photo_accuracy=float(photo_accuracy) if photo_accuracy else None,
            seconds=float(row["seconds"]),
        )


def read_history(text: str) -> list[Epoch]:
    """Parses the text of ``history.csv``; an empty text has no epochs.

    Raises:
        KeyError, TypeError, ValueError, csv.Error: the text is something else.
    """
    rows = csv.DictReader(text.splitlines())
    if text and "epoch" not in (rows.fieldnames or ()):
        raise KeyError("epoch")
    return [Epoch.from_row(row) for row in rows]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class, or the plain average over all classes (``macro``).

    Attributes:
        label: name of the class, or ``macro``.
        precision, recall, f1: fractions; 0 where undefined.
        support: number of images of the class, or of all classes.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], label: str) -> ClassScores:
        """Parses the values that `to_dict` made, with or without a label."""
        return cls(
            label,
            float(values["precision"]),
            float(values["recall"]),
            float(values["f1"]),
            int(values["support"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the values without the label, for JSON."""
        values = asdict(self)
        del values["label"]
        return values


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        index: position of the image in the split, from 0.
        true, predicted: names of classes.
        confidence: probability of the predicted class, fraction.
    """

    index: int
    true: str
    predicted: str
    confidence: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Mistake:
        """Parses an entry of ``mistakes``."""
        return cls(
            int(values["index"]),
            str(values["true"]),
            str(values["predicted"]),
            float(values["confidence"]),
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores on a set of labelled images of C classes.

    Attributes:
        accuracy: top-1, fraction.
        accuracy_interval: 95 % Wilson score interval of the accuracy, fractions.
        loss: cross-entropy, nats.
        ece: expected calibration error, fraction: the distance between confidence and accuracy,
            averaged over equal-width bins of confidence, weighted by the images in each
            (Guo et al. 2017, arXiv:1706.04599).
        macro: plain average of the scores of all classes.
        confusion: counts ``[C][C]``, true classes by row, predicted by column.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    ece: float
    macro: ClassScores
    confusion: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class DetailedScores(Scores):
    """`Scores`, the scores of each class, and every mistake.

    Attributes:
        classes: scores of the C classes, in the order of the confusion matrix.
        mistakes: all wrong predictions, the most confident first.
    """

    classes: Sequence[ClassScores]
    mistakes: Sequence[Mistake]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return tuple(scores.label for scores in self.classes)


@dataclass(frozen=True, kw_only=True)
class Int8Evaluation(Scores):
    """Scores of the quantized file that was exported from the same network.

    Attributes:
        file: name of the file, without its folder.
        bytes: its size.
    """

    file: str
    bytes: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], classes: int) -> Int8Evaluation:
        """Parses ``int8`` of an evaluation of so many classes."""
        return cls(
            **_scores_from(values, classes), file=str(values["file"]), bytes=int(values["bytes"])
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, for JSON."""
        return {
            "file": self.file,
            "bytes": self.bytes,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss,
            "ece": self.ece,
            "macro": self.macro.to_dict(),
            "confusion": self.confusion,
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation(DetailedScores):
    """``evaluation-SPLIT.json``: the scores of a network on a split of a dataset.

    Attributes:
        model: the run's folder, or the name of the model.
        split: ``test`` or ``validation``.
        dataset: name of the dataset.
        images: number of images in the split.
        int8: scores of the int8 file; None where there is none.
    """

    model: str
    split: str
    dataset: str
    images: int
    int8: Int8Evaluation | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evaluation:
        """Parses the object in an ``evaluation-SPLIT.json``."""
        classes = [ClassScores.from_dict(entry, str(entry["label"])) for entry in values["classes"]]
        int8 = values["int8"]
        return cls(
            **_scores_from(values, len(classes)),
            classes=classes,
            mistakes=[Mistake.from_dict(entry) for entry in values["mistakes"]],
            model=str(values["model"]),
            split=str(values["split"]),
            dataset=str(values["dataset"]),
            images=int(values["images"]),
            int8=None if int8 is None else Int8Evaluation.from_dict(int8, len(classes)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, for JSON."""
        return {
            "model": self.model,
            "split": self.split,
            "dataset": self.dataset,
            "images": self.images,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss,
            "ece": self.ece,
            "classes": [asdict(scores) for scores in self.classes],
            "macro": self.macro.to_dict(),
            "confusion": self.confusion,
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "int8": None if self.int8 is None else self.int8.to_dict(),
        }


def _scores_from(values: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Parses the fields of `Scores`; the confusion matrix must be one of so many classes."""
    low, high = values["accuracy_interval"]
    confusion = [[int(count) for count in row] for row in values["confusion"]]
    if classes == 0 or [len(row) for row in confusion] != [classes] * classes:
        raise ValueError(f"the confusion matrix is not one of {classes} classes")
    return {
        "accuracy": float(values["accuracy"]),
        "accuracy_interval": (float(low), float(high)),
        "loss": float(values["loss"]),
        "ece": float(values["ece"]),
        "macro": ClassScores.from_dict(values["macro"], "macro"),
        "confusion": confusion,
    }
