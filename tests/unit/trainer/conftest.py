"""Shared by the trainer's tests: real images, a silent callback, files of release 0.7.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.training.callbacks import CallbackList
from mnist_edge_trainer.training.training_data import TrainingData
from tests.conftest import ROOT, SAMPLES

SILENT = CallbackList([])

VALIDATION = 1_000
"""Images that `mnist_subset` holds out."""

RUN_0_7 = ROOT / "tests" / "data" / "runs" / "0.7.0-nano"
"""A run of release 0.7.0: `nano`, two epochs on 2,000 images, with a teacher."""

STATE_DICTS_0_7: Path = ROOT / "tests" / "data" / "runs" / "0.7.0-state-dicts.json"
"""Names and shapes of all weights in release 0.7.0, by architecture."""


@pytest.fixture(scope="session")
def mnist_subset() -> TrainingData:
    """2,560 real images to train on and 1,000 to validate with."""
    training, validation = split_training(load_digits(SAMPLES, "train"), VALIDATION)
    return TrainingData(training[:2_560], validation)
