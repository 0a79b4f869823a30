"""Scores, checked against scikit-learn's own report and against plain counting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import classification_report, log_loss

from mnist_edge.model import Model
from mnist_edge_trainer.data import load_digits
from mnist_edge_trainer.evaluate import evaluate
from mnist_edge_trainer.figures import draw_confusion_matrix


def test_scores_of_the_bundled_model(samples: Path, tmp_path: Path) -> None:
    digits = load_digits(samples, "test")
    probabilities = Model.load("mnist-edge-int8").run(digits.images[:, 0].numpy())
    result = evaluate(probabilities, digits)
    labels, answers = digits.labels.numpy(), probabilities.argmax(axis=1)

    assert result.accuracy == (answers == labels).mean()
    assert result.confusion.sum() == 10_000
    assert result.confusion.trace() == (answers == labels).sum()
    np.testing.assert_array_equal(result.confusion.sum(axis=1), np.bincount(labels))
    assert result.loss == pytest.approx(log_loss(labels, probabilities), rel=1e-3)
    report = classification_report(labels, answers, output_dict=True)
    for digit, scores in enumerate(result.classes):
        expected = report[str(digit)]
        assert scores.f1 == pytest.approx(expected["f1-score"])
        assert scores.support == expected["support"]
    assert result.macro.precision == pytest.approx(report["macro avg"]["precision"])

    picture = tmp_path / "matrix.png"
    draw_confusion_matrix(result.confusion, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
