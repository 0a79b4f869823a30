"""How robustness is measured: every corruption at every severity, beside naive preprocessing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import pytest
from PIL import Image

from mnist_edge.model import Model
from mnist_edge_trainer.data.splits import Digits as LabelledDigits
from mnist_edge_trainer.evaluation import robustness
from mnist_edge_trainer.evaluation.robustness import (
    CellAccuracy,
    CorruptionAccuracy,
    mean_accuracy,
    measure_robustness,
    preprocess_naively,
)
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS
from tests.conftest import Digits


class InProcessPool:
    """Stands for `WorkerPool` without processes, each of which takes seconds to start."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.map = functools.partial(map, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_every_corruption_is_measured_at_every_severity(
    train_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["light on dark", "colours", "squared paper"]
    monkeypatch.setattr(robustness, "WorkerPool", InProcessPool)
    monkeypatch.setattr(robustness, "CORRUPTIONS", {name: CORRUPTIONS[name] for name in names})
    digits = LabelledDigits.of(train_digits[0][-4:], train_digits[1][-4:])
    completed: list[CorruptionAccuracy] = []
    rows = measure_robustness(Model.load().run, digits, completed.append)
    assert rows == completed
    assert [row.corruption for row in rows] == names
    assert [len(row.by_severity) for row in rows] == [3, 3, 3]
    mean = mean_accuracy(rows).by_severity[1]
    assert mean.front_end >= 0.9
    assert mean.naive <= 0.75


@pytest.mark.slow
def test_front_end_beats_naive_preprocessing_at_middle_severity(train_digits: Digits) -> None:
    digits = LabelledDigits.of(train_digits[0][-25:], train_digits[1][-25:])
    rows = measure_robustness(Model.load().run, digits)
    assert [row.corruption for row in rows] == list(CORRUPTIONS)
    mean = mean_accuracy(rows).by_severity[1]
    assert mean.front_end >= 0.96
    assert mean.naive <= 0.7


def test_mean_is_taken_over_the_corruptions_of_each_severity() -> None:
    rows = [
        CorruptionAccuracy("blur", (CellAccuracy(1.0, 0.5), CellAccuracy(0.8, 0.1))),
        CorruptionAccuracy("noise", (CellAccuracy(0.5, 0.5), CellAccuracy(0.2, 0.2))),
    ]
    mean = mean_accuracy(rows)
    assert mean.corruption == "mean"
    assert [cell.front_end for cell in mean.by_severity] == pytest.approx([0.75, 0.5])
    assert [cell.naive for cell in mean.by_severity] == pytest.approx([0.5, 0.15])


def test_naive_preprocessing_resizes_and_inverts_a_light_page() -> None:
    page = Image.new("RGB", (56, 56), "white")
    page.paste("black", (20, 20, 30, 30))
    image = preprocess_naively(page)
    assert image.shape == (28, 28)
    assert image[12, 12] == 255
    assert image[0, 0] == 0
