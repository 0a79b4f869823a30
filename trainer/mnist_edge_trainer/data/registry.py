"""The table of datasets that are published in MNIST's format, and their download.

Four files each, images and labels of two splits, which `mnist_edge.mnist` finds, verifies and
reads. They are kept where torchvision keeps them, and downloaded by it.
"""

from __future__ import annotations

import contextlib
import http.client
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from mnist_edge.errors import DatasetError
from mnist_edge.mnist import (
    FILES,
    FOLDERS,
    REPLACE_ADVICE,
    Bytes,
    MnistFile,
    Split,
    SplitFiles,
    find_dataset,
    read_split,
)
from mnist_edge.types import DIGITS, SIDE, Preprocessing

__all__ = ["MNIST", "PUBLISHED", "PublishedDataset", "find", "home", "load"]

_DOWNLOAD_ERRORS = (
    RuntimeError,
    OSError,
    EOFError,
    zlib.error,
    http.client.HTTPException,
    zipfile.BadZipFile,
)
"""What torchvision raises where a download fails."""


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset in MNIST's format.

    Attributes:
        name: what `--dataset` calls it.
        torchvision: its class in `torchvision.datasets`, which is its folder there too.
        labels: names of the classes, in the order of their numbers.
        preprocessing: what makes a model's input of a picture.
        credit: whose it is, and under which licence.
        files: images and labels of each split.
        sizes: images in each split.
        folders: where the files may lie, within the folder that is searched.
        transposed: rows are stored as columns.
    """

    name: str
    torchvision: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    credit: str
    files: SplitFiles
    sizes: Mapping[Split, int]
    folders: tuple[str, ...]
    transposed: bool = False


_SIZES: Mapping[Split, int] = {"train": 60_000, "test": 10_000}

MNIST = PublishedDataset(
    "mnist",
    "MNIST",
    DIGITS,
    Preprocessing.DIGIT,
    "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    FILES,
    _SIZES,
    folders=FOLDERS,
)

# The other datasets' files have MNIST's names: torchvision's folder is searched first.
_FASHION = PublishedDataset(
    "fashion-mnist",
    "FashionMNIST",
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    Preprocessing.PLAIN,
    "Fashion-MNIST (Xiao, Rasul, Vollgraf; Zalando SE), MIT",
    {
        "train": (
            MnistFile(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            MnistFile(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
        ),
        "test": (
            MnistFile(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            MnistFile(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    },
    _SIZES,
    folders=("FashionMNIST/raw", ""),
)

_KUZUSHIJI = PublishedDataset(
    "kmnist",
    "KMNIST",
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    Preprocessing.PLAIN,
    "KMNIST (CODH; Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha), CC BY-SA 4.0",
    {
        "train": (
            MnistFile("train-images-idx3-ubyte", ""),
            MnistFile("train-labels-idx1-ubyte", ""),
        ),
        "test": (MnistFile("t10k-images-idx3-ubyte", ""), MnistFile("t10k-labels-idx1-ubyte", "")),
    },
    _SIZES,
    folders=("KMNIST/raw", ""),
)

_EMNIST = PublishedDataset(
    "emnist-digits",
    "EMNIST",
    DIGITS,
    Preprocessing.DIGIT,
    "EMNIST (Cohen, Afshar, Tapson, van Schaik), of NIST Special Database 19",
    {
        "train": (
            MnistFile("emnist-digits-train-images-idx3-ubyte", ""),
            MnistFile("emnist-digits-train-labels-idx1-ubyte", ""),
        ),
        "test": (
            MnistFile("emnist-digits-test-images-idx3-ubyte", ""),
            MnistFile("emnist-digits-test-labels-idx1-ubyte", ""),
        ),
    },
    {"train": 240_000, "test": 40_000},
    # "gzip" is the folder that its archive unpacks to.
    folders=("EMNIST/raw", "EMNIST/raw/gzip", "", "gzip"),
    # As the files themselves are: https://github.com/pytorch/vision/issues/8783.
    transposed=True,
)

PUBLISHED = {published.name: published for published in (MNIST, _FASHION, _KUZUSHIJI, _EMNIST)}
"""Every published dataset, by name."""


def home(published: PublishedDataset) -> Path:
    """The folder of a dataset by default.

    Returns:
        ``samples`` of the checkout that is the working directory, where that has the dataset; else
        the user's cache.
    """
    checkout = Path("samples")
    if find(published, checkout, "train") and find(published, checkout, "test"):
        return checkout
    return user_cache_path("mnist-edge")


def find(published: PublishedDataset, directory: Path, split: Split) -> list[Path]:
    """Paths of the images and the labels of a split; empty where one is missing."""
    return find_dataset(directory, split, published.files, published.folders)


def load(published: PublishedDataset, directory: Path, split: Split) -> tuple[Bytes, Bytes]:
    """Reads and verifies one split, downloading the dataset first where it is missing.

    Returns:
        images uint8 ``[N, 28, 28]``, upright, 0 = background; labels uint8 ``[N]``, from 0.

    Raises:
        DatasetError: a file is damaged, is another dataset's, or is missing and could not be
            downloaded.
    """
    paths = find(published, directory, split)
    if not paths:
        _download(published, directory)
        paths = find(published, directory, split)
    if not paths:
        raise _missing(published, directory, "torchvision put nothing there")
    images, labels = read_split(paths, published.files[split], _misplaced(published))
    size = published.sizes[split]
    _check_shape(published, paths[0], images, (size, SIDE, SIDE))
    _check_shape(published, paths[1], labels, (size,))
    if labels.max() >= len(published.labels):
        raise DatasetError(
            f"{paths[1]}: not {published.name}'s (it has a class {labels.max()}); {REPLACE_ADVICE}"
        )
    return np.swapaxes(images, 1, 2) if published.transposed else images, labels


def _check_shape(
    published: PublishedDataset, path: Path, array: Bytes, shape: tuple[int, ...]
) -> None:
    if array.shape != shape:
        raise DatasetError(
            f"{path}: not {published.name}'s ({list(array.shape)} instead of {list(shape)}); "
            f"{REPLACE_ADVICE}"
        )


def _misplaced(published: PublishedDataset) -> dict[str, str]:
    """Messages about other datasets' files, by checksum: many have the same names."""
    return {
        file.sha256: f"a file of {other.name}, not of {published.name}; add --dataset "
        f"{other.name}, or point --data at the files of {published.name}"
        for other in PUBLISHED.values()
        if other.name != published.name
        for files in other.files.values()
        for file in files
        if file.sha256
    }


def _download(published: PublishedDataset, directory: Path) -> None:
    """Downloads the files from torchvision's mirrors, into torchvision's folder."""
    from torchvision import datasets

    raw = directory / published.torchvision / "raw"
    made = [path for path in (raw, raw.parent, directory) if not path.exists()]
    options = {"split": "digits"} if published.torchvision == "EMNIST" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(datasets, published.torchvision)(str(directory), download=True, **options)
    except _DOWNLOAD_ERRORS as error:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()  # where it is empty: a mistyped name leaves nothing behind
        reason = f"the download failed ({' '.join(str(error).split())})"
        raise _missing(published, directory, reason) from error


def _missing(published: PublishedDataset, directory: Path, reason: str) -> DatasetError:
    names = ", ".join(f"{file.name}.gz" for files in published.files.values() for file in files)
    absence = f"no complete {published.name} in it" if directory.is_dir() else "no such folder"
    # Not into the folder itself: other datasets with files of the same names may share it.
    raw = directory / published.torchvision / "raw"
    return DatasetError(
        f"{directory}: {absence}, and {reason}; put {names} into {raw}, or point --data at them"
    )
