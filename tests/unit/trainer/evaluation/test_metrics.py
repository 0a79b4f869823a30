"""Scores, against scikit-learn's report, textbook formulas and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import classification_report, log_loss

from mnist_edge.types import DIGITS
from mnist_edge_trainer.evaluation.metrics import (
    Probabilities,
    class_scores,
    evaluate,
    wilson_interval,
)
from tests.unit.trainer.evaluation.conftest import Digits


def test_scores_equal_those_of_scikit_learn(digits: Digits, probabilities: Probabilities) -> None:
    result = evaluate(probabilities, digits[1])
    truth, predicted = digits[1], probabilities.argmax(axis=1)

    assert result.labels == DIGITS
    assert result.accuracy == (predicted == truth).mean()
    confusion = np.array(result.confusion)
    assert confusion.sum() == 2_000
    assert confusion.trace() == (predicted == truth).sum()
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(truth))
    assert result.loss == pytest.approx(log_loss(truth, probabilities), rel=1e-3)
    report = classification_report(truth, predicted, output_dict=True)
    for digit, scores in enumerate(result.classes):
        expected = report[str(digit)]
        assert scores.precision == pytest.approx(expected["precision"])
        assert scores.recall == pytest.approx(expected["recall"])
        assert scores.f1 == pytest.approx(expected["f1-score"])
        assert scores.support == expected["support"]
    assert result.macro.precision == pytest.approx(report["macro avg"]["precision"])
    assert (result.macro.label, result.macro.support) == ("macro", 2_000)


def test_confusion_matrix_as_weights_gives_the_scores_of_the_images(
    digits: Digits, probabilities: Probabilities
) -> None:
    result = evaluate(probabilities, digits[1])
    true, predicted = np.indices((10, 10))
    weights = np.ravel(result.confusion)
    assert class_scores(true.ravel(), predicted.ravel(), DIGITS, weights) == result.classes


def test_calibration_error_equals_a_plain_loop(
    digits: Digits, probabilities: Probabilities
) -> None:
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for row, label in zip(probabilities.tolist(), digits[1].tolist(), strict=True):
        confidence = max(row)
        bins[math.ceil(confidence * 15) - 1].append((confidence, row.index(confidence) == label))
    expected = 0.0
    for members in filter(None, bins):
        confidence = sum(confidence for confidence, _ in members) / len(members)
        accuracy = sum(is_correct for _, is_correct in members) / len(members)
        expected += len(members) / len(digits[1]) * abs(accuracy - confidence)
    assert evaluate(probabilities, digits[1]).ece == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_full_confidence_is_the_error_rate() -> None:
    certain = np.tile(np.array([1, 0], np.float32), (8, 1))
    truth = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    assert evaluate(certain, truth, ("yes", "no")).ece == pytest.approx(0.25)


@pytest.mark.parametrize(("correct", "images"), [(0, 5), (5, 5), (9_960, 10_000), (43, 57)])
def test_wilson_interval_equals_the_textbook_formula(correct: int, images: int) -> None:
    z, p = 1.959963984540054, correct / images
    middle = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(p * (1 - p) / images + z * z / (4 * images**2)) / (1 + z * z / images)
    assert wilson_interval(correct, images) == pytest.approx((middle - half, middle + half))


def test_mistakes_are_the_wrong_predictions_most_confident_first(
    digits: Digits, probabilities: Probabilities
) -> None:
    mistakes = evaluate(probabilities, digits[1]).mistakes
    truth = digits[1].tolist()
    wrong = {i for i, row in enumerate(probabilities) if int(row.argmax()) != truth[i]}
    assert {mistake.index for mistake in mistakes} == wrong
    assert len(mistakes) > 3
    confidences = [mistake.confidence for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    for mistake in mistakes:
        assert mistake.true == str(truth[mistake.index])
        assert mistake.confidence == probabilities[mistake.index, int(mistake.predicted)]


def test_class_without_images_scores_zero() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]], np.float32)
    result = evaluate(probabilities, np.array([0, 1]), ("cat", "dog", "bird"))
    assert (result.classes[2].f1, result.classes[2].support) == (0, 0)
    assert result.confusion == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
