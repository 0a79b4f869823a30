"""The photographs that a training, an export and an evaluation share."""

from __future__ import annotations

import numpy as np

from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.synthetic.dataset import (
    SyntheticDataset,
    synthetic_negatives,
    synthetic_photos,
)

__all__ = ["held_out_negatives", "held_out_photos", "training_photos"]

_HELD_OUT = 1_000
"""Photographs to validate with, and as many of no digit."""

_HELD_OUT_SEED = 1_000_000
"""No chunk of the training photographs has this number: no scene is in both."""


def training_photos(training: Digits) -> SyntheticDataset:
    """Photographs of the training digits, made as they are asked for."""
    return SyntheticDataset(training.images[:, 0].numpy(), training.labels.numpy())


def held_out_photos(validation: Digits) -> Digits:
    """Photographs of the first 1,000 validation digits in which the front end finds something."""
    part = validation[:_HELD_OUT]
    photos = synthetic_photos(part.images[:, 0].numpy(), part.labels.numpy(), seed=_HELD_OUT_SEED)
    return Digits.of(photos.images, photos.labels)


def held_out_negatives(validation: Digits) -> Digits:
    """Photographs of 1,000 things that are no digit; what is made of digits is of held-out ones."""
    photos = synthetic_negatives(validation[:_HELD_OUT].images[:, 0].numpy(), seed=_HELD_OUT_SEED)
    return Digits.of(photos.images, np.asarray(photos.labels))
