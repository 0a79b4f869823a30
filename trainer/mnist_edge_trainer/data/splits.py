"""Digits in memory: one uint8 tensor per split, and the validation split held out of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnist_edge.errors import UsageError
from mnist_edge.mnist import Split
from mnist_edge_trainer.data.registry import MNIST, home, load

__all__ = [
    "Digits",
    "default_data_dir",
    "load_digits",
    "missing_classes",
    "split_training",
]

_SPLIT_SEED = 2026
"""The held-out images are the same whatever the run's seed, so that runs can be compared."""

_LARGE = 50_000
"""Images of a set from which any draw has enough of each class."""


@dataclass(frozen=True)
class Digits:
    """Labelled digits, or other pictures of that size, as tensors.

    Attributes:
        images: uint8 ``[N, 1, 28, 28]``, 0 = background, 255 = ink.
        labels: int64 ``[N]``, from 0; -1 for a non-digit.
        given_validation: so many at the end are the validation split, as the user gave it; 0 = the
            split is left to `split_training`.
    """

    images: Tensor
    labels: Tensor
    given_validation: int = 0

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer[Any]]) -> Digits:
        """Copies arrays: uint8 ``[N, 28, 28]`` and integers ``[N]``."""
        return cls(
            torch.from_numpy(images.copy()).unsqueeze(1), torch.from_numpy(labels.astype("int64"))
        )

    @classmethod
    def join(cls, parts: Sequence[Digits]) -> Digits:
        """Concatenates several, in order."""
        return cls(
            torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> Digits:
        return Digits(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Digits:
        """Moves images and labels to a device."""
        return Digits(self.images.to(device), self.labels.to(device))


def default_data_dir() -> Path:
    """Folder of MNIST: ``samples`` of the checkout here, else the user's cache."""
    return home(MNIST)


def load_digits(directory: Path, split: Split) -> Digits:
    """Loads one split of MNIST, downloading it first where it is missing.

    Raises:
        DatasetError: a file is damaged, or is missing and could not be downloaded.
    """
    return Digits.of(*load(MNIST, directory, split))


def split_training(digits: Digits, validation_size: int) -> tuple[Digits, Digits]:
    """Holds `validation_size` images out of the training set, the same ones every time.

    From a small set, each class gives its share. Every class of two images or more gives one at
    least, where `validation_size` has room for all classes. A validation split that the user gave
    is used as it is.

    Returns:
        the images to train on, and the held-out ones.

    Raises:
        UsageError: the split leaves nothing to train on or nothing to validate with, or is not of
            the size that the user gave.
    """
    if not 0 < validation_size < len(digits):
        raise UsageError(
            f"--val-split {validation_size}: must be between 1 and {len(digits) - 1} images"
        )
    if digits.given_validation:
        if validation_size != digits.given_validation:
            raise UsageError(
                f"--val-split {validation_size}: the folder has validation pictures of its own, "
                f"{digits.given_validation:,}; leave it out"
            )
        return digits[:-validation_size], digits[-validation_size:]
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    if len(digits) < _LARGE:
        order = order[_by_share(digits.labels[order])]
    order = order[_with_every_class(digits.labels[order], validation_size)]
    return digits[order[validation_size:]], digits[order[:validation_size]]


def missing_classes(digits: Digits, labels: Sequence[str]) -> list[str]:
    """Names of the classes that no image shows."""
    present = set(digits.labels.tolist())
    return [name for label, name in enumerate(labels) if label not in present]


def _by_share(labels: Tensor) -> Tensor:
    """Indices int64 ``[N]``: an order in which all classes are used up at the same time."""
    used = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = labels == label
        count = int(members.sum())
        used[members] = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return used.argsort(stable=True)


def _with_every_class(labels: Tensor, held_out: int) -> Tensor:
    """Indices int64 ``[N]``: the order as it is, but for classes that the first ones would lack.

    Each of these moves to the front, in place of the last image of a class that has others there.
    """
    order = torch.arange(len(labels))
    counts = labels[:held_out].bincount(minlength=int(labels.max()) + 1)
    for label in labels.unique().tolist():
        members = (labels == label).nonzero()
        replaceable = (counts[labels[order[:held_out]]] > 1).nonzero()
        if counts[label] or len(members) < 2 or not len(replaceable):
            continue
        place, other = int(replaceable[-1]), int(members[0])
        counts[labels[order[place]]] -= 1
        counts[label] += 1
        order[place], order[other] = other, int(order[place])
    return order
