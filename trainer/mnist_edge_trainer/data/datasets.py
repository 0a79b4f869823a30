"""Datasets to train on: a published one by name, or an image folder with the user's pictures."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from mnist_edge.errors import DatasetError, UsageError
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.mnist import idx_header
from mnist_edge.types import Preprocessing
from mnist_edge_trainer.data.facts import DataFacts
from mnist_edge_trainer.data.image_folder import has_pictures, load_image_folder
from mnist_edge_trainer.data.registry import MNIST, PUBLISHED, PublishedDataset, find, home, load
from mnist_edge_trainer.data.splits import Digits

__all__ = [
    "DATASETS",
    "DEFAULT_DATASET",
    "IMAGE_FOLDER",
    "Dataset",
    "dataset_files",
    "load_dataset",
    "validation_size",
]

DEFAULT_DATASET = MNIST.name

DATASETS = tuple(PUBLISHED)
"""Names of the published datasets."""

IMAGE_FOLDER = "own"
"""What a recipe calls an image folder."""

_VALIDATION_SIZE = 5_000
"""Images held out for validation, of a large dataset."""

_VALIDATION_SHARE = 10
"""One image in so many is held out of a small dataset."""


@dataclass(frozen=True)
class Dataset:
    """Images with their classes.

    Attributes:
        name: the published dataset's; for an image folder, ``folder`` and its name.
        labels: names of the classes, in the order of their numbers; two or more, without commas.
        training: before a validation split is held out (`split_training`), which includes the
            pictures that the user gave for validation.
        sha256: of the training images as an uncompressed IDX file, which for the published
            datasets, EMNIST's transposed one apart, is the checksum of the very file.
        preprocessing: what makes a model's input of a picture.
        credit: its author and licence; empty = the user's own pictures.
        load_test: reads `test`.
        splits: names of the folders that the user split the pictures into; empty = none.
    """

    name: str
    labels: tuple[str, ...]
    training: Digits
    sha256: str
    preprocessing: Preprocessing
    credit: str
    load_test: Callable[[], Digits]
    splits: tuple[str, ...] = ()

    @cached_property
    def test(self) -> Digits:
        """Images for the accuracy that is reported; read at the first access.

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
        """Facts of the dataset that a model file states."""
        return DataFacts(self.name, self.labels, self.sha256, self.preprocessing.value, self.credit)


def load_dataset(
    name: str, data: Path | None, on_skip: Callable[[str], None] = lambda _: None
) -> Dataset:
    """Loads a published dataset, downloading it where it is missing, or an image folder.

    Args:
        name: one of `DATASETS`; with an image folder, the default one or `IMAGE_FOLDER`.
        data: folder of the published dataset's files, or with a folder of pictures for each class;
            None = ``samples`` here where they are there, else the user's cache.
        on_skip: called with a line about each picture of an image folder that is skipped.

    Raises:
        UsageError: there is no such dataset, or `data` is of another kind.
        DatasetError: a file is damaged, or missing and could not be downloaded; the pictures do
            not make a dataset (see `load_image_folder`).
    """
    published = PUBLISHED.get(name)
    if data is not None:
        _check_folder(data, published)
        if (published is None or not _has_files(data, published)) and has_pictures(data):
            if published is not None and name != DEFAULT_DATASET:
                raise UsageError(f"{data}: has pictures, not {name}; leave out --dataset {name}")
            return _load_pictures(data, on_skip)
    if name == IMAGE_FOLDER:
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
        _sha256(training),
        published.preprocessing,
        published.credit,
        lambda: Digits.of(*load(published, directory, "test")),
    )


def dataset_files(name: str, data: Path | None) -> Iterator[Path]:
    """The files that `load_dataset` reads a dataset from, by their names alone.

    Args:
        name: as in `load_dataset`; what that refuses has no files.
        data: as in `load_dataset`.
    """
    published, found = PUBLISHED.get(name), False
    if published is not None:
        directory = home(published) if data is None else data
        for split in ("train", "test"):
            for file in find(published, directory, split):
                found = True
                yield file
    if data is not None and not found:
        yield from map(Path, FolderWalk(recursive=True).pictures_in(str(data)))


def validation_size(dataset: Dataset, requested: int | None) -> int:
    """Number of images to hold out of the training set for validation.

    Args:
        dataset: to hold them out of.
        requested: by the user; None = 5,000, and of less than 50,000 images a tenth, but as many
            as there are classes. A validation split that the user gave is taken whole.
    """
    if requested is not None:
        return requested
    if dataset.training.given_validation:
        return dataset.training.given_validation
    share = len(dataset.training) // _VALIDATION_SHARE
    return min(_VALIDATION_SIZE, max(len(dataset.labels), share))


def _check_folder(data: Path, published: PublishedDataset | None) -> None:
    if not os.path.exists(data):
        advice = "point --data at it"
        if published:
            advice = f"check its name, or make it, to have {published.name} downloaded there"
        raise DatasetError(f"{data}: no such folder; {advice}")
    if not os.path.isdir(data):
        raise DatasetError(f"{data}: a file; --data takes the folder that it is in")


def _has_files(directory: Path, published: PublishedDataset) -> bool:
    return bool(find(published, directory, "train") or find(published, directory, "test"))


def _load_pictures(directory: Path, on_skip: Callable[[str], None]) -> Dataset:
    folder = load_image_folder(directory, on_skip)
    pictures = Digits.of(folder.images, folder.classes)
    in_test = torch.from_numpy(folder.in_test)
    in_validation = torch.from_numpy(folder.in_validation)
    training = Digits.join([pictures[~in_test & ~in_validation], pictures[in_validation]])
    training = dataclasses.replace(training, given_validation=int(in_validation.sum()))
    return Dataset(
        f"folder {directory.resolve().name}",
        folder.labels,
        training,
        _sha256(training),
        Preprocessing.DIGIT,
        "",
        lambda: pictures[in_test],
        folder.splits,
    )


def _sha256(digits: Digits) -> str:
    """Checksum of the images as an IDX file."""
    images = digits.images[:, 0].numpy()
    return hashlib.sha256(idx_header(images.shape) + images.tobytes()).hexdigest()
