"""How robustness is measured: every corruption at every severity, beside the naive way."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mnist_edge.model import Model
from mnist_edge_trainer.data.splits import Digits as LabelledDigits
from mnist_edge_trainer.evaluation.robustness import measure_robustness, naive
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS
from tests.conftest import Digits


@pytest.mark.parametrize(
    ("count", "at_least", "at_most"),
    [(3, 0.94, 0.75), pytest.param(25, 0.96, 0.7, marks=pytest.mark.slow)],
)
def test_preprocessing_beats_the_naive_way_at_middle_severity(
    train_digits: Digits, count: int, at_least: float, at_most: float
) -> None:
    digits = LabelledDigits.of(train_digits[0][-count:], train_digits[1][-count:])
    seen: list[str] = []
    scores = measure_robustness(Model.load().run, digits, lambda row: seen.append(row.axis))
    assert seen == [row.axis for row in scores] == list(CORRUPTIONS)
    middle = [row.by_severity[1] for row in scores]
    assert np.mean([score.front_end for score in middle]) >= at_least
    assert np.mean([score.naive for score in middle]) <= at_most


def test_naive_resizes_and_inverts_a_light_page() -> None:
    page = Image.new("RGB", (56, 56), "white")
    page.paste("black", (20, 20, 30, 30))
    small = naive(page)
    assert small.shape == (28, 28)
    assert small[12, 12] == 255
    assert small[0, 0] == 0
