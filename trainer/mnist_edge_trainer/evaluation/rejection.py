"""Rejection curve: what a threshold on the confidence accepts, of digits and of negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnist_edge_trainer.evaluation.metrics import Labels, Probabilities

__all__ = ["THRESHOLDS", "RejectionPoint", "choose_threshold", "rejection_curve"]

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(20))

_MAX_REJECTED_CORRECT = 0.02
"""Share of the correct predictions that a threshold may reject. The photographs are hard ones: a
network that was shown many non-digits is, rightly, not sure of some of them."""


@dataclass(frozen=True)
class RejectionPoint:
    """What is accepted at one threshold.

    Attributes:
        threshold: predictions of a lower confidence are rejected.
        correct: photographs of digits whose prediction is accepted and correct, fraction of all.
        wrong: photographs of digits whose prediction is accepted and wrong, fraction of all.
        negatives: pictures of no digit whose prediction is accepted, fraction of all.
    """

    threshold: float
    correct: float
    wrong: float
    negatives: float

    def to_dict(self) -> dict[str, float]:
        """Returns plain values, for JSON; the keys are those of the first release."""
        return {
            "threshold": self.threshold,
            "right": self.correct,
            "wrong": self.wrong,
            "no_digit": self.negatives,
        }


def rejection_curve(
    photographs: Probabilities, truth: Labels, negatives: Probabilities
) -> list[RejectionPoint]:
    """Computes one point for each of `THRESHOLDS`.

    Args:
        photographs: float32 ``[N, 10]``, predictions for photographs of digits.
        truth: int64 ``[N]``, their digits.
        negatives: float32 ``[M, 10]``, predictions for pictures of no digit.
    """
    confidence = photographs.max(axis=1)
    is_correct = photographs.argmax(axis=1) == truth
    return [
        RejectionPoint(
            threshold,
            correct=float(np.mean(is_correct & (confidence >= threshold))),
            wrong=float(np.mean(~is_correct & (confidence >= threshold))),
            negatives=float(np.mean(negatives.max(axis=1) >= threshold)),
        )
        for threshold in THRESHOLDS
    ]


def choose_threshold(curve: Sequence[RejectionPoint]) -> float:
    """Chooses the highest threshold that rejects at most 2 % of the correct predictions."""
    required = curve[0].correct * (1 - _MAX_REJECTED_CORRECT)
    return max(point.threshold for point in curve if point.correct >= required)
