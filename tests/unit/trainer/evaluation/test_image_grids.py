"""What the grids of images show, read from their text."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mnist_edge.types import DIGITS
from mnist_edge_trainer.evaluation import image_grids
from mnist_edge_trainer.evaluation.image_grids import (
    draw_filters,
    draw_mistakes,
    draw_predictions,
    first_of_each_class,
)
from mnist_edge_trainer.evaluation.metrics import Probabilities
from tests.unit.trainer.evaluation.conftest import Digits, words_of


def test_most_confident_mistake_comes_first(digits: Digits, probabilities: Probabilities) -> None:
    images, truth = digits
    predicted = probabilities.argmax(axis=1)
    wrong = [index for index in range(len(truth)) if predicted[index] != truth[index]]
    worst = max(wrong, key=lambda index: float(probabilities[index].max()))
    words = words_of(lambda path: draw_mistakes(images, truth, probabilities, DIGITS, path))
    captions = [word for word in words if re.fullmatch(". → .", word)]
    assert len(captions) == min(24, len(wrong))
    assert captions[0] == f"{truth[worst]} → {predicted[worst]}"
    assert words[words.index(captions[0]) + 1] == f"{probabilities[worst].max():.1%}"


def test_predictions_stand_beside_the_true_classes(
    digits: Digits, probabilities: Probabilities
) -> None:
    images, truth = digits
    shown = first_of_each_class(truth, 40)
    correct = int((probabilities[shown].argmax(axis=1) == truth[shown]).sum())
    names = [f"class {digit}" for digit in DIGITS]
    words = words_of(lambda path: draw_predictions(images, truth, probabilities, names, path))
    assert words.count("true class 4") == 4  # 40 images of ten classes
    assert sum(word.startswith("predicted ") for word in words) == 40
    assert f"correct: {correct}" in words
    assert f"wrong: {40 - correct}" in words


def test_filters_are_counted_in_the_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(0).normal(size=(3, 5, 5)).astype(np.float32)
    assert "first layer: 3 filters" in words_of(lambda path: draw_filters(weights, path))
    monkeypatch.setattr(image_grids, "MAX_FILTERS", 2)
    assert "first layer: 2 of 3 filters" in words_of(lambda path: draw_filters(weights, path))


def test_first_image_of_each_class_then_the_second() -> None:
    truth = np.array([1, 1, 0, 2, 1, 0])
    assert first_of_each_class(truth, 5).tolist() == [2, 0, 3, 5, 1]
    assert first_of_each_class(truth, 99).tolist() == [2, 0, 3, 5, 1, 4]
