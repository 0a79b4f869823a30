"""The images of a training run, and the ones that each epoch draws from them."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.checkpoint import MNIST, DataFacts
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.distillation import SoftLabelCache, SoftLabels
from mnist_edge_trainer.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    # It imports the simulator, which a run without photographs does not need.
    from mnist_edge_trainer.synthetic.dataset import Photos, SyntheticDataset

__all__ = ["EpochImages", "EpochSampler", "PhotoSet", "TrainingData"]

_SEED_STRIDE = 7
"""The first view of a seed lies this many views after the first view of the previous seed."""


@dataclass(frozen=True)
class PhotoSet:
    """Simulated photographs to train and to validate with.

    Attributes:
        training: photographs of training digits, rendered chunk by chunk as they are needed.
        validation: photographs of held-out digits.
    """

    training: SyntheticDataset
    validation: Digits


@dataclass(frozen=True)
class TrainingData:
    """All that a run trains on and validates with.

    Attributes:
        training, validation: disjoint parts of the training set.
        photos: each epoch draws `TrainConfig.photos` of them; None = no photographs.
        soft_labels: a teacher's, to train on instead of `training` and the photographs for
            training; None = no teacher.
        facts: what the model's file will state of the dataset, the names of the classes included.
    """

    training: Digits
    validation: Digits
    photos: PhotoSet | None = None
    soft_labels: SoftLabelCache | None = None
    facts: DataFacts = MNIST

    def photos_per_epoch(self, config: TrainConfig) -> int:
        """Photographs that each epoch draws."""
        return 0 if self.photos is None else config.photos

    def steps_per_epoch(self, config: TrainConfig) -> int:
        """Whole batches in an epoch."""
        return (len(self.training) + self.photos_per_epoch(config)) // config.batch_size


@dataclass(frozen=True)
class EpochImages:
    """The images of one epoch, in no particular order.

    Attributes:
        digits: images and labels.
        soft_labels: the teacher's log-probabilities float32 ``[N, C]``, of images that are
            distorted already; None = no teacher, and images still to be distorted.
    """

    digits: Digits
    soft_labels: Tensor | None


class EpochSampler:
    """Draws the images of each epoch, on the device.

    Photographs and soft labels of the next epochs are made meanwhile, by other cores.

    Args:
        data: to draw from.
        config: the recipe.
        device: to train on.
        ranks: of this process; the first of a machine makes what all of them draw from.
    """

    def __init__(
        self,
        data: TrainingData,
        config: TrainConfig,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self._ranks = ranks
        self._training = data.training.to(device)
        self._photos = data.photos
        self._photos_per_epoch = data.photos_per_epoch(config)
        self._soft_labels = data.soft_labels
        self._seed = config.seed
        self._device = device
        self._threads, self._epochs = config.threads, config.epochs
        self._chunks: list[Digits] = []
        self._next_chunks: Generator[Photos] | None = None
        self._next_views: Ahead[SoftLabels] | Generator[SoftLabels] | None = None
        self._next_epoch = 1

    def close(self) -> None:
        """Ends what makes the next epochs' images."""
        for images in (self._next_chunks, self._next_views):
            if images is not None:
                images.close()

    def draw(self, epoch: int) -> EpochImages:
        """The images of epoch 1, 2, ...; uses torch's global generator for photographs."""
        if self._soft_labels is not None:
            with self._ranks.first_here():
                return self._view(epoch, self._soft_labels)
        if self._photos is not None and self._photos_per_epoch:
            with self._ranks.first_here():
                photos = self._draw_photos(epoch, self._photos.training)
            return EpochImages(Digits.join([self._training, photos]), None)
        return EpochImages(self._training, None)

    def _view(self, epoch: int, cache: SoftLabelCache) -> EpochImages:
        """The next of the views; runs of other seeds begin with another view."""
        if self._next_views is None or epoch != self._next_epoch:
            self.close()
            first = epoch - 1 + self._seed * _SEED_STRIDE
            numbers = (number % cache.views for number in range(first, first + self._epochs))
            closed = threading.Event()
            views = (cache.view(number, closed) for number in numbers)
            # One: a view takes some 100 MB. What the first rank makes is not made a second time.
            is_ahead = self._ranks.local == 0
            self._next_views = Ahead(views, 1, self._set_threads, closed) if is_ahead else views
        self._next_epoch = epoch + 1
        view = next(self._next_views)
        return EpochImages(view.digits.to(self._device), view.log_probabilities.to(self._device))

    def _set_threads(self) -> None:
        """In another thread: torch keeps a number for each."""
        if self._threads:
            torch.set_num_threads(self._threads)

    def _draw_photos(self, epoch: int, dataset: SyntheticDataset) -> Digits:
        """Photographs from the chunks so far: each epoch adds one, so that none waits for all."""
        count = min(self._epochs, dataset.chunks)
        if self._next_chunks is None:
            spare = available_cores() - max(1, self._threads)
            is_maker = self._ranks.local == 0
            self._next_chunks = (
                dataset.stream(count, max(1, spare))
                if is_maker
                else (dataset.chunk(number) for number in range(count))
            )
        while len(self._chunks) < min(epoch, count):
            chunk = next(self._next_chunks)
            self._chunks.append(Digits.of(chunk.images, chunk.labels).to(self._device))
        photos = Digits.join(self._chunks)
        return photos[torch.randint(len(photos), (self._photos_per_epoch,), device=self._device)]
