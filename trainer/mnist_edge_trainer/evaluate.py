"""How good a network is: of a training run, or of any exported file, on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mnist_edge_trainer.checkpoint import Checkpoint
from mnist_edge_trainer.data import Digits
from mnist_edge_trainer.train import predict_logits

__all__ = [
    "ClassScores",
    "Evaluation",
    "evaluate",
    "probabilities_of",
]

_DIGITS = range(10)


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 (fractions) of one class, or their macro average; images it has."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Scores over a set of labelled digits.

    Attributes:
        accuracy: top-1, fraction.
        loss: cross-entropy, nats.
        classes: one per digit, in order.
        macro: their plain average.
        confusion: int64 ``[10, 10]``, true digits by row, predicted by column.
    """

    accuracy: float
    loss: float
    classes: list[ClassScores]
    macro: ClassScores
    confusion: npt.NDArray[np.int64]


def probabilities_of(
    checkpoint: Checkpoint,
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """The trained network, before calibration: uint8 ``[N, 28, 28]`` to float32 ``[N, 10]``."""
    network = checkpoint.network()

    def run(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        logits = predict_logits(network, torch.from_numpy(images).unsqueeze(1))
        probabilities: npt.NDArray[np.float32] = torch.softmax(logits, dim=1).numpy()
        return probabilities

    return run


def evaluate(probabilities: npt.NDArray[np.float32], digits: Digits) -> Evaluation:
    """Scores probabilities float32 ``[N, 10]`` against the labels of `digits`."""
    labels = digits.labels.numpy()
    answers = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, answers, labels=_DIGITS)
    per_class = precision_recall_fscore_support(labels, answers, labels=_DIGITS, zero_division=0)
    macro = precision_recall_fscore_support(
        labels, answers, labels=_DIGITS, average="macro", zero_division=0
    )
    right = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)
    return Evaluation(
        accuracy=float((answers == labels).mean()),
        loss=float(-np.log(right).mean()),
        classes=[
            ClassScores(float(p), float(r), float(f), int(n))
            for p, r, f, n in zip(*per_class, strict=True)
        ],
        macro=ClassScores(float(macro[0]), float(macro[1]), float(macro[2]), len(labels)),
        confusion=confusion,
    )
