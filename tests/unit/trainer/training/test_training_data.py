"""The images that each epoch draws."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.synthetic.dataset import CHUNK, Photos, SyntheticDataset
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.distillation import SoftLabelCache, SoftLabels
from mnist_edge_trainer.training.training_data import EpochSampler, PhotoSet, TrainingData

CPU = torch.device("cpu")


class NumberedChunks(SyntheticDataset):
    """Two chunks; every pixel of a photograph is its chunk's number + 100."""

    def chunk(self, number: int) -> Photos:
        images = np.full((CHUNK, 28, 28), 100 + number, np.uint8)
        return Photos(images, np.zeros(CHUNK, np.int64))

    def stream(self, count: int, workers: int = 1) -> Generator[Photos]:  # noqa: ARG002
        yield from map(self.chunk, range(count))


def numbered_chunks() -> SyntheticDataset:
    return NumberedChunks(np.zeros((2 * CHUNK, 28, 28), np.uint8), np.zeros(2 * CHUNK, np.int64))


def chunks_in(digits: Digits) -> set[int]:
    return {int(value) - 100 for value in digits.images[:, 0, 0, 0].unique()}


def test_each_epoch_draws_from_one_more_chunk_of_photographs(mnist_subset: TrainingData) -> None:
    photos = PhotoSet(numbered_chunks(), mnist_subset.validation)
    data = replace(mnist_subset, photos=photos)
    config = TrainConfig(photos=300)
    sampler = EpochSampler(data, config, CPU)
    for epoch, chunks in ((1, {0}), (2, {0, 1}), (3, {0, 1})):
        digits = sampler.draw(epoch).digits
        assert torch.equal(digits.images[:2_560], mnist_subset.training.images)
        assert len(digits) == 2_560 + 300
        assert chunks_in(digits[2_560:]) == chunks
    assert data.steps_per_epoch(config) == (2_560 + 300) // config.batch_size


@pytest.mark.parametrize("photos", [0, 300])
def test_without_photographs_every_epoch_has_the_training_images(
    mnist_subset: TrainingData, photos: int
) -> None:
    some = PhotoSet(numbered_chunks(), mnist_subset.validation) if photos == 0 else None
    data = replace(mnist_subset, photos=some)
    images = EpochSampler(data, TrainConfig(photos=photos), CPU).draw(1)
    assert images.digits.images is mnist_subset.training.images
    assert images.soft_labels is None
    assert data.steps_per_epoch(TrainConfig(photos=photos)) == 20


class NumberedViews:
    """Stands in for a cache of soft labels: remembers which views were read."""

    views = 24

    def __init__(self) -> None:
        self.read: list[int] = []

    def view(self, number: int, closed: threading.Event | None = None) -> SoftLabels:  # noqa: ARG002
        self.read.append(number)
        digits = Digits(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))
        return SoftLabels(digits, torch.full((2, 10), float(number)))


@pytest.mark.parametrize(
    ("seed", "views"), [(0, [0, 1, 23, 0]), (1, [7, 8, 6, 7]), (4, [4, 5, 3, 4])]
)
def test_epochs_take_the_views_in_turn_and_each_seed_begins_with_another(
    mnist_subset: TrainingData, seed: int, views: list[int]
) -> None:
    cache: Any = NumberedViews()
    data = replace(mnist_subset, soft_labels=cast("SoftLabelCache", cache))
    with closing(EpochSampler(data, TrainConfig(seed=seed), CPU)) as sampler:
        for epoch, view in zip((1, 2, 24, 25), views, strict=True):
            soft_labels = sampler.draw(epoch).soft_labels
            assert soft_labels is not None
            assert set(soft_labels.flatten().tolist()) == {view}
    assert set(views) <= set(cache.read)
