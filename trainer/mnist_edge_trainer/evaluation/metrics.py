"""How good a network is: of a training run, or of any exported file, on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mnist_edge.types import DIGITS
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.checkpoint import Checkpoint
from mnist_edge_trainer.training.loop import predict_logits

__all__ = [
    "CONFIDENCE_BINS",
    "ClassScores",
    "ConfidenceBin",
    "Evaluation",
    "Mistake",
    "calibration_error",
    "confidence_bins",
    "evaluate",
    "mistaken",
    "probabilities_of",
    "wilson_interval",
]

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

CONFIDENCE_BINS = 15
"""Of equal width, over 0..1, as Guo et al. 2017 have them."""


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 (fractions) of one class, or their macro average; images it has."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        index: of the picture, counted from 0 in the order of the split.
        true, predicted: names of classes.
        confidence: in the wrong answer, fraction.
    """

    index: int
    true: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class ConfidenceBin:
    """Answers whose confidence lies above `lower` and not above `upper`; at least one.

    Attributes:
        lower, upper: edges, fractions.
        images: how many answers.
        right: how many of them are right.
        confidence: their mean confidence, fraction.
    """

    lower: float
    upper: float
    images: int
    right: int
    confidence: float

    @property
    def accuracy(self) -> float:
        """Fraction of the answers that are right."""
        return self.right / self.images


@dataclass(frozen=True)
class Evaluation:
    """Scores over a set of labelled pictures of C classes.

    Attributes:
        labels: names of the classes, in order.
        accuracy: top-1, fraction.
        accuracy_interval: its 95 % Wilson score interval, fractions.
        loss: cross-entropy, nats.
        ece: expected calibration error, fraction: how far confidence and accuracy lie apart, mean
            over `CONFIDENCE_BINS` equal-width bins of confidence, weighted by the answers in each
            (Guo et al. 2017, arXiv:1706.04599).
        classes: one per class, in order; 0 where a figure is undefined.
        macro: their plain average.
        confusion: int64 ``[C, C]``, true classes by row, predicted by column.
        mistakes: every wrong answer, the most confident first.
    """

    labels: tuple[str, ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    ece: float
    classes: list[ClassScores]
    macro: ClassScores
    confusion: npt.NDArray[np.int64]
    mistakes: list[Mistake]

    def values(self) -> dict[str, Any]:
        """Plain values, for JSON; each class with its name."""
        return {
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss,
            "ece": self.ece,
            "classes": [
                {"label": label} | asdict(scores)
                for label, scores in zip(self.labels, self.classes, strict=True)
            ],
            "macro": asdict(self.macro),
            "confusion": self.confusion.tolist(),
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
        }


def probabilities_of(checkpoint: Checkpoint) -> Callable[[npt.NDArray[np.uint8]], Probabilities]:
    """The trained network, before calibration: uint8 ``[N, 28, 28]`` to float32 ``[N, C]``."""
    network = checkpoint.network()

    def run(images: npt.NDArray[np.uint8]) -> Probabilities:
        logits = predict_logits(network, torch.from_numpy(images).unsqueeze(1))
        probabilities: Probabilities = torch.softmax(logits, dim=1).numpy()
        return probabilities

    return run


def evaluate(
    probabilities: Probabilities, digits: Digits, labels: Sequence[str] = DIGITS
) -> Evaluation:
    """Scores probabilities float32 ``[N, C]`` against the labels of `digits`.

    Args:
        probabilities: each row sums to 1.
        digits: at least one picture, of classes 0 to C - 1.
        labels: the C names of the classes.
    """
    truth = digits.labels.numpy()
    answers = probabilities.argmax(axis=1)
    classes = range(len(labels))
    per_class = precision_recall_fscore_support(truth, answers, labels=classes, zero_division=0)
    macro = precision_recall_fscore_support(
        truth, answers, labels=classes, average="macro", zero_division=0
    )
    likelihood = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1)
    return Evaluation(
        labels=tuple(labels),
        accuracy=float((answers == truth).mean()),
        accuracy_interval=wilson_interval(int((answers == truth).sum()), len(truth)),
        loss=float(-np.log(likelihood).mean()),
        ece=calibration_error(confidence_bins(probabilities, truth)),
        classes=[
            ClassScores(float(p), float(r), float(f), int(n))
            for p, r, f, n in zip(*per_class, strict=True)
        ],
        macro=ClassScores(float(macro[0]), float(macro[1]), float(macro[2]), len(truth)),
        confusion=confusion_matrix(truth, answers, labels=classes),
        mistakes=[
            Mistake(
                index,
                labels[truth[index]],
                labels[answers[index]],
                float(probabilities[index, answers[index]]),
            )
            for index in mistaken(probabilities, truth).tolist()
        ],
    )


def wilson_interval(right: int, images: int) -> tuple[float, float]:
    """95 % score interval of the fraction right / images (Wilson 1927); `images` is not zero."""
    interval = binomtest(right, images).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mistaken(probabilities: Probabilities, truth: Labels) -> npt.NDArray[np.int64]:
    """Where the wrong answers are, the most confident first, equals in order: int64 ``[M]``."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def confidence_bins(probabilities: Probabilities, truth: Labels) -> list[ConfidenceBin]:
    """Answers by their confidence, in `CONFIDENCE_BINS` bins, without those that have none."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, CONFIDENCE_BINS - 1)
    return [
        ConfidenceBin(
            float(edges[index]),
            float(edges[index + 1]),
            images=int((place == index).sum()),
            right=int(is_right[place == index].sum()),
            confidence=float(confidence[place == index].mean()),
        )
        for index in np.unique(place).tolist()
    ]


def calibration_error(bins: Sequence[ConfidenceBin]) -> float:
    """What `Evaluation.ece` says, of `confidence_bins`; there must be at least one."""
    apart = sum(one.images * abs(one.accuracy - one.confidence) for one in bins)
    return apart / sum(one.images for one in bins)
