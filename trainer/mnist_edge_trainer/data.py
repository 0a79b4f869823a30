"""MNIST in memory: one uint8 tensor per split, and the validation split held out of training."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from platformdirs import user_cache_path
from torch import Tensor

from mnist_edge.errors import DatasetError, UsageError
from mnist_edge.mnist import FILES, Split, find_dataset, load_split

__all__ = ["Digits", "default_data_dir", "load_digits", "split_training"]

_SPLIT_SEED = 2026
"""The held-out images are the same whatever the run's seed, so that runs compare."""


@dataclass(frozen=True)
class Digits:
    """A set of labelled digits.

    Attributes:
        images: uint8 ``[N, 1, 28, 28]``, 0 = background, 255 = ink.
        labels: int64 ``[N]``, 0 to 9; -1 for a picture of no digit.
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer[Any]]) -> Digits:
        """From arrays: uint8 ``[N, 28, 28]`` and integers ``[N]``."""
        return cls(
            torch.from_numpy(images.copy()).unsqueeze(1), torch.from_numpy(labels.astype("int64"))
        )

    @classmethod
    def join(cls, parts: Sequence[Digits]) -> Digits:
        """All of them, in order."""
        return cls(
            torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> Digits:
        return Digits(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Digits:
        return Digits(self.images.to(device), self.labels.to(device))


def default_data_dir() -> Path:
    """``samples`` of the checkout one stands in, else a cache folder of the user."""
    checkout = Path("samples")
    if find_dataset(checkout, "train") and find_dataset(checkout, "test"):
        return checkout
    return user_cache_path("mnist-edge")


def load_digits(directory: Path, split: Split) -> Digits:
    """Loads one split, downloading it first where it is missing.

    Raises:
        DatasetError: a file is damaged, or is missing and could not be downloaded.
    """
    if not find_dataset(directory, split):
        _download(directory)
    return Digits.of(*load_split(directory, split))


def split_training(digits: Digits, validation_size: int) -> tuple[Digits, Digits]:
    """Holds `validation_size` images out of the training set, the same ones every time.

    Returns:
        the rest to train on, and the held-out images.

    Raises:
        UsageError: the split leaves nothing to train on or nothing to validate with.
    """
    if not 0 < validation_size < len(digits):
        raise UsageError(
            f"--val-split {validation_size}: must be between 1 and {len(digits) - 1} images"
        )
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    return digits[order[validation_size:]], digits[order[:validation_size]]


def _download(directory: Path) -> None:
    """Fetches the four files through torchvision, from its mirrors, into ``MNIST/raw``."""
    from torchvision.datasets import MNIST

    made = [path for path in _folders(directory) if not path.exists()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MNIST(str(directory), download=True)
    except (RuntimeError, OSError, EOFError) as error:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()  # where it is empty: a mistyped name leaves nothing behind
        names = ", ".join(f"{file.name}.gz" for pair in FILES.values() for file in pair)
        raise DatasetError(
            f"{directory}: has no complete MNIST and the download failed "
            f"({' '.join(str(error).split())}); put {names} there, or point --data at them"
        ) from error


def _folders(directory: Path) -> list[Path]:
    """What torchvision makes to download into, the innermost first."""
    return [directory / "MNIST" / "raw", directory / "MNIST", directory]
