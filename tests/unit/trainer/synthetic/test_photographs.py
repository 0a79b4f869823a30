"""The photographs of this version against those of simulator version 1.

`photographs.json` describes the old ones; `tests.photo_statistics` made it. Here others are taken,
of other digits and in other scenes, and compared by two-sample tests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_edge.types import GrayImage
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.synthetic.camera import BENCHMARK_CAMERA, TRAINING_CAMERA, Camera
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS
from tests.conftest import Digits
from tests.photo_statistics import MIXED, describe, photographs_of

BEFORE = json.loads(Path(__file__).with_name("photographs.json").read_text())

LARGEST = 4.5
"""Standard errors that two means may be apart: of a thousand comparisons of samples from one
distribution, all lie below in 99 of 100 cases."""


def apart(before: Mapping[str, Any], images: GrayImage, taken: int) -> dict[str, float]:
    """How many standard errors the means of each property lie apart; only those too far."""
    distances = {}
    for name, (mean, deviation) in describe(images, taken).items():
        mean_before, deviation_before = before[name]
        # A share of all, or none, has no deviation: one photograph more or less may be another.
        floor = 0.5 / math.sqrt(taken) if name == "found" else 1e-6
        error = math.hypot(
            max(deviation, floor) / math.sqrt(taken),
            max(deviation_before, floor) / math.sqrt(before["photographs"]),
        )
        if abs(mean - mean_before) > LARGEST * error:
            distances[name] = (mean - mean_before) / error
    return distances


def rendered(digits: Digits, count: int, seed: int) -> GrayImage:
    """Photographs to train on, as the dataset makes them."""
    images, labels = digits
    part = images[:count], labels[:count].astype(np.int64)
    batches = [
        dataset._render_batch(
            dataset._mixed_photo, seed, (first, part[0][first:end], part[1][first:end])
        ).images
        for first, end in zip(range(0, count, 50), range(50, count + 50, 50), strict=True)
    ]
    return np.concatenate(batches)


def test_photographs_for_training_have_the_statistics_of_version_1(train_digits: Digits) -> None:
    assert not apart(BEFORE[MIXED], rendered(train_digits, 200, seed=4_000), 200)


@pytest.mark.slow
def test_many_photographs_for_training_have_the_statistics_of_version_1(
    train_digits: Digits,
) -> None:
    assert not apart(BEFORE[MIXED], rendered(train_digits, 1_500, seed=4_001), 1_500)


@pytest.mark.slow
@pytest.mark.parametrize("camera", [BENCHMARK_CAMERA, TRAINING_CAMERA])
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_photographs_with_a_corruption_have_the_statistics_of_version_1(
    corruption: str, camera: Camera, train_digits: Digits
) -> None:
    images = photographs_of(corruption, train_digits[0][:60], 4_002, camera)
    assert not apart(BEFORE[corruption], images, 60)


@pytest.mark.parametrize("stronger", ["noise", "blur"])
def test_comparison_sees_another_distribution(stronger: str, train_digits: Digits) -> None:
    """What is compared above would not pass if the simulator were another one."""
    images = photographs_of(stronger, train_digits[0][:60], 4_003)
    assert apart(BEFORE["thin pen"], images, 60)
