"""Scores of predicted probabilities against the true classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mnist_edge.types import DIGITS, GrayImage
from mnist_edge_trainer.evaluation.records import ClassScores, DetailedScores, Mistake

__all__ = [
    "CONFIDENCE_BINS",
    "ConfidenceBin",
    "Labels",
    "PredictFunction",
    "Probabilities",
    "bin_by_confidence",
    "calibration_error",
    "class_scores",
    "confidence_bins",
    "evaluate",
    "find_mistakes",
    "wilson_interval",
]

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32 ``[N, C]``: a row for each image, each row sums to 1."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""int64 ``[N]``: the class of each image, 0 to C - 1."""

PredictFunction: TypeAlias = Callable[[GrayImage], Probabilities]
"""A network: uint8 ``[N, 28, 28]`` to probabilities."""

CONFIDENCE_BINS = 15
"""Number of equal-width bins over 0..1, as in Guo et al. 2017."""


@dataclass(frozen=True)
class ConfidenceBin:
    """Predictions whose confidence lies above `lower` and not above `upper`; at least one.

    Attributes:
        lower, upper: edges, fractions.
        images: number of predictions.
        correct: number of correct predictions.
        confidence: mean confidence, fraction.
    """

    lower: float
    upper: float
    images: int
    correct: int
    confidence: float

    @property
    def accuracy(self) -> float:
        """Fraction of the predictions that are correct."""
        return self.correct / self.images


def evaluate(
    probabilities: Probabilities, truth: Labels, labels: Sequence[str] = DIGITS
) -> DetailedScores:
    """Scores predictions of at least one image.

    Args:
        probabilities: float32 ``[N, C]``.
        truth: int64 ``[N]``, the true classes.
        labels: names of the C classes.

    Returns:
        The scores; 0 for a figure that is undefined, such as the recall of a class without images.
    """
    predicted = probabilities.argmax(axis=1)
    is_correct = predicted == truth
    classes = range(len(labels))
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=classes, average="macro", zero_division=0
    )
    likelihood = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1)
    return DetailedScores(
        accuracy=float(is_correct.mean()),
        accuracy_interval=wilson_interval(int(is_correct.sum()), len(truth)),
        loss=float(-np.log(likelihood).mean()),
        ece=calibration_error(confidence_bins(probabilities, truth)),
        classes=class_scores(truth, predicted, labels),
        macro=ClassScores("macro", float(precision), float(recall), float(f1), len(truth)),
        confusion=confusion_matrix(truth, predicted, labels=classes).tolist(),
        mistakes=[
            Mistake(
                index,
                labels[truth[index]],
                labels[predicted[index]],
                float(probabilities[index, predicted[index]]),
            )
            for index in find_mistakes(probabilities, truth).tolist()
        ],
    )


def class_scores(
    truth: Labels, predicted: Labels, labels: Sequence[str], weights: Labels | None = None
) -> list[ClassScores]:
    """Computes precision, recall and F1 of each class.

    Args:
        truth: int64 ``[N]``, the true classes.
        predicted: int64 ``[N]``, the predicted classes.
        labels: names of the C classes.
        weights: int64 ``[N]``, how many images each pair stands for; None = one.

    Returns:
        One entry for each class, in order.
    """
    scores = precision_recall_fscore_support(
        truth, predicted, labels=range(len(labels)), sample_weight=weights, zero_division=0
    )
    return [
        ClassScores(label, float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(labels, *scores, strict=True)
    ]


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """Computes the 95 % score interval of the fraction correct / images (Wilson 1927)."""
    interval = binomtest(correct, images).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def find_mistakes(probabilities: Probabilities, truth: Labels) -> Labels:
    """Finds the wrong predictions: int64 ``[M]`` positions, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def confidence_bins(probabilities: Probabilities, truth: Labels) -> list[ConfidenceBin]:
    """Sorts predictions into bins by the probability of the most probable class."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    return bin_by_confidence(confidence, probabilities.argmax(axis=1) == truth)


def bin_by_confidence(
    confidence: npt.NDArray[np.float64], is_correct: npt.NDArray[np.bool_]
) -> list[ConfidenceBin]:
    """Sorts predictions into `CONFIDENCE_BINS` bins by their confidence; empty bins are left out.

    scikit-learn's `calibration_curve` has the same bins but does not count what is in them.

    Args:
        confidence: float64 ``[N]``, 0..1.
        is_correct: bool ``[N]``.
    """
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    bin_of = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, CONFIDENCE_BINS - 1)
    return [
        ConfidenceBin(
            float(edges[index]),
            float(edges[index + 1]),
            images=int((bin_of == index).sum()),
            correct=int(is_correct[bin_of == index].sum()),
            confidence=float(confidence[bin_of == index].mean()),
        )
        for index in np.unique(bin_of).tolist()
    ]


def calibration_error(bins: Sequence[ConfidenceBin]) -> float:
    """Computes the expected calibration error (see `Scores.ece`) of at least one bin."""
    distance = sum(bin_.images * abs(bin_.accuracy - bin_.confidence) for bin_ in bins)
    return distance / sum(bin_.images for bin_ in bins)
