"""When not to answer: what a threshold on the confidence keeps back, right, wrong and no digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["THRESHOLDS", "RejectionPoint", "choose_threshold", "rejection_curve"]

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(20))

_RIGHT_KEPT_BACK = 0.01
"""Right answers that may be kept back, of all."""


@dataclass(frozen=True)
class RejectionPoint:
    """What is told at one threshold, as fractions of all pictures of a kind.

    Attributes:
        threshold: least confidence of an answer that is told.
        right: photographs of digits, told right.
        wrong: photographs of digits, told wrong.
        no_digit: pictures of no digit that are told to be one.
    """

    threshold: float
    right: float
    wrong: float
    no_digit: float


def rejection_curve(
    photographs: Probabilities, labels: Labels, no_digits: Probabilities
) -> list[RejectionPoint]:
    """One point for each of `THRESHOLDS`.

    Args:
        photographs: float32 ``[N, 10]``, of photographs of digits.
        labels: integers ``[N]``, their digits.
        no_digits: float32 ``[M, 10]``, of what is no digit.
    """
    confidence = photographs.max(axis=1)
    is_right = photographs.argmax(axis=1) == labels
    return [
        RejectionPoint(
            threshold,
            right=float((is_right & (confidence >= threshold)).mean()),
            wrong=float((~is_right & (confidence >= threshold)).mean()),
            no_digit=float((no_digits.max(axis=1) >= threshold).mean()),
        )
        for threshold in THRESHOLDS
    ]


def choose_threshold(curve: Sequence[RejectionPoint]) -> float:
    """The highest threshold that keeps back at most one right answer in a hundred."""
    everything = curve[0].right
    allowed = [p.threshold for p in curve if p.right >= everything * (1 - _RIGHT_KEPT_BACK)]
    return max(allowed)
