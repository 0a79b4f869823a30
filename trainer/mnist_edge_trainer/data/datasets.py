"""What a network can be trained on: the published datasets by name, or a folder of one's own."""

from __future__ import annotations

import difflib
import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mnist_edge.cli.console import log
from mnist_edge.errors import DatasetError, UsageError
from mnist_edge.types import Preprocessing
from mnist_edge_trainer.data.image_folder import has_pictures, load_folder
from mnist_edge_trainer.data.registry import MNIST, PUBLISHED, PublishedDataset, find, home, load
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.checkpoint import DataFacts
from mnist_edge_trainer.training.config import TrainConfig

__all__ = [
    "DATASETS",
    "DEFAULT_DATASET",
    "OWN",
    "Dataset",
    "load_again",
    "load_dataset",
    "validation_size",
]

DEFAULT_DATASET = MNIST.name

DATASETS = tuple(PUBLISHED)
"""Names of the published datasets."""

OWN = "own"
"""What a recipe calls a folder of one's own pictures."""

_VALIDATION, _VALIDATION_PART = 5_000, 10
"""Images held out for validation; of a small set, one in so many."""


@dataclass(frozen=True)
class Dataset:
    """Images with their classes.

    Attributes:
        name: the published dataset's; of one's own pictures, ``folder`` and its name.
        labels: names of the classes, in the order of their numbers; two or more, without commas.
        training: before a validation split is held out (`split_training`).
        sha256: of the training images as an uncompressed IDX file, which for the published
            datasets, EMNIST's transposed one apart, is the checksum of the very file.
        preprocessing: what makes a model's input of a picture.
        credit: whose it is, and under which licence; empty = the user's own pictures.
        load_test: what `test` is read with.
    """

    name: str
    labels: tuple[str, ...]
    training: Digits
    sha256: str
    preprocessing: Preprocessing
    credit: str
    load_test: Callable[[], Digits]

    @cached_property
    def test(self) -> Digits:
        """Images for the figure that is reported; read when they are first asked for.

        Raises:
            DatasetError: as `load_dataset`.
        """
        return self.load_test()

    @property
    def is_published(self) -> bool:
        """Whether it is one of `DATASETS`."""
        return bool(self.credit)

    @property
    def facts(self) -> DataFacts:
        """What a model says of it."""
        return DataFacts(self.name, self.labels, self.sha256, self.preprocessing.value, self.credit)


def load_dataset(name: str, data: Path | None) -> Dataset:
    """Loads a published dataset, downloading it where it is missing, or one's own pictures.

    What is left out of one's own pictures is told on stderr.

    Args:
        name: one of `DATASETS`; with a folder of one's own pictures, the default one or `OWN`.
        data: folder of the published dataset's files, or with a folder of pictures for each class;
            None = ``samples`` here where they are there, else the user's cache.

    Raises:
        UsageError: there is no such dataset, or `data` is of another kind.
        DatasetError: a file is damaged, or missing and could not be downloaded; the pictures do
            not make a dataset (see `load_folder`).
    """
    published = PUBLISHED.get(name)
    if data is not None:
        if not os.path.exists(data):
            advice = "point --data at it"
            if published:
                advice = f"check its name, or make it, to have {name} downloaded there"
            raise DatasetError(f"{data}: no such folder; {advice}")
        if not os.path.isdir(data):
            raise DatasetError(f"{data}: a file; --data takes the folder that it is in")
        if (published is None or not _is_in(data, published)) and has_pictures(data):
            if name in PUBLISHED and name != DEFAULT_DATASET:
                raise UsageError(f"{data}: has pictures, not {name}; leave out --dataset {name}")
            return _own(data)
    if name == OWN:
        raise DatasetError(
            f"{data or 'own pictures'}: no folder with a folder of pictures for each class; point "
            "--data at it"
        )
    if published is None:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"--dataset {name}: unknown; {hint}choose {', '.join(DATASETS)}, or point --data at a "
            "folder with a folder of pictures for each class"
        )
    directory = home(published) if data is None else data
    training = Digits.of(*load(published, directory, "train"))
    return Dataset(
        published.name,
        published.labels,
        training,
        _sha256(training.images[:, 0].numpy()),
        published.preprocessing,
        published.credit,
        lambda: Digits.of(*load(published, directory, "test")),
    )


def load_again(config: TrainConfig, data: Path | None) -> Dataset:
    """Loads the dataset that a recipe names, from `data` where that is given."""
    return load_dataset(config.dataset, data or (Path(config.data) if config.data else None))


def validation_size(dataset: Dataset, wanted: int | None) -> int:
    """How many images to hold out of the training set for validation.

    Args:
        dataset: to hold them out of.
        wanted: what was asked for; None = 5,000, and of less than 50,000 images a tenth, but as
            many as there are classes.
    """
    if wanted is not None:
        return wanted
    share = len(dataset.training) // _VALIDATION_PART
    return min(_VALIDATION, max(len(dataset.labels), share))


def _is_in(directory: Path, published: PublishedDataset) -> bool:
    return bool(find(published, directory, "train") or find(published, directory, "test"))


def _own(directory: Path) -> Dataset:
    folders = load_folder(directory, log)
    in_test = torch.from_numpy(folders.in_test)
    pictures = Digits.of(folders.images, folders.classes)
    training = pictures[~in_test]
    return Dataset(
        f"folder {directory.resolve().name}",
        folders.labels,
        training,
        _sha256(training.images[:, 0].numpy()),
        Preprocessing.DIGIT,
        "",
        lambda: pictures[in_test],
    )


def _sha256(images: npt.NDArray[np.uint8]) -> str:
    """Of an IDX file of uint8 ``[N, H, W]``."""
    header = struct.pack(">HBB3I", 0, 0x08, images.ndim, *images.shape)
    return hashlib.sha256(header + images.tobytes()).hexdigest()
