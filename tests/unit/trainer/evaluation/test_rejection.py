"""The rejection curve, and the threshold that is chosen on it."""

from __future__ import annotations

import numpy as np

from mnist_edge.model import Model
from mnist_edge_trainer.evaluation.rejection import THRESHOLDS, choose_threshold, rejection_curve
from tests.conftest import Digits


def test_threshold_rejects_two_correct_predictions_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    confidence = rng.uniform(0.1, 1, 1000).astype(np.float32)
    probabilities = np.full((1000, 10), 0, np.float32)
    probabilities[np.arange(1000), labels] = confidence
    curve = rejection_curve(probabilities, labels, probabilities[:50])
    assert [point.threshold for point in curve] == list(THRESHOLDS)
    chosen = choose_threshold(curve)
    assert (confidence >= chosen).mean() >= 0.98
    assert (confidence >= chosen + 0.05).mean() < 0.98


def test_higher_threshold_accepts_fewer_predictions(train_digits: Digits) -> None:
    probabilities = Model.load().run(train_digits[0][:500])
    curve = rejection_curve(
        probabilities, train_digits[1][:500].astype(np.int64), probabilities[:100]
    )
    for name in ("correct", "wrong", "negatives"):
        accepted = [getattr(point, name) for point in curve]
        assert accepted == sorted(accepted, reverse=True)


def test_json_has_the_keys_of_the_first_release() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], np.float32)
    curve = rejection_curve(probabilities, np.array([0, 1, 1, 0]), probabilities[:1])
    (point,) = (point for point in curve if point.threshold == 0.55)
    assert point.to_dict() == {"threshold": 0.55, "right": 0.5, "wrong": 0.25, "no_digit": 1.0}
