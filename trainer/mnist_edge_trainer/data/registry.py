"""The datasets published in MNIST's format: found, downloaded, verified, read into arrays.

Four files each, images and labels of two splits, in the format that `mnist_edge.mnist` reads. They
are looked for where torchvision keeps them, and downloaded by it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from mnist_edge.errors import DatasetError
from mnist_edge.mnist import FILES, Bytes, MnistFile, Split, decompressed, read_idx
from mnist_edge.types import DIGITS, Preprocessing

__all__ = ["MNIST", "PUBLISHED", "PublishedDataset", "find", "home", "load"]

_SIDE = 28


@dataclass(frozen=True)
class PublishedDataset:
    """One dataset.

    Attributes:
        name: what `--dataset` calls it.
        torchvision: its class in `torchvision.datasets`, which is its folder there too.
        labels: names of the classes, in the order of their numbers.
        preprocessing: what makes a model's input of a picture.
        credit: whose it is, and under which licence.
        files: images and labels of each split; a checksum is empty where none was published.
        sizes: images in each split.
        folders: where the files may lie, within the folder that is looked in.
        transposed: rows are stored as columns.
    """

    name: str
    torchvision: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    credit: str
    files: dict[Split, tuple[MnistFile, MnistFile]]
    sizes: dict[Split, int]
    folders: tuple[str, ...]
    transposed: bool = False


_SIZES: dict[Split, int] = {"train": 60_000, "test": 10_000}

MNIST = PublishedDataset(
    "mnist",
    "MNIST",
    DIGITS,
    Preprocessing.DIGIT,
    "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    FILES,
    _SIZES,
    folders=("", "MNIST/raw"),
)

# The other sets have the names of MNIST's files: torchvision's folder tells more than they do.
_FASHION = PublishedDataset(
    "fashion-mnist",
    "FashionMNIST",
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
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
    # Known of the files themselves: https://github.com/pytorch/vision/issues/8783.
    transposed=True,
)

PUBLISHED = {published.name: published for published in (MNIST, _FASHION, _KUZUSHIJI, _EMNIST)}
"""By name."""

_OWNERS = {
    file.sha256: published.name
    for published in PUBLISHED.values()
    for files in published.files.values()
    for file in files
    if file.sha256
}
"""Whose a file is, by its checksum."""

_REPLACE_ADVICE = (
    "delete it and use the same --data again to download it, or copy an intact one here"
)


def home(published: PublishedDataset) -> Path:
    """``samples`` of the checkout one stands in, where that has it, else the user's cache."""
    checkout = Path("samples")
    if find(published, checkout, "train") and find(published, checkout, "test"):
        return checkout
    return user_cache_path("mnist-edge")


def find(published: PublishedDataset, directory: Path, split: Split) -> list[Path]:
    """Paths of the images and the labels of a split, in that order; empty if one is missing.

    The files may lie in `directory` itself or where torchvision keeps them, compressed (``.gz``)
    or not.
    """
    for name in published.folders:
        folder = directory / name
        found = [
            next(filter(os.path.isfile, (folder / f"{file.name}.gz", folder / file.name)), None)
            for file in published.files[split]
        ]
        paths = [path for path in found if path is not None]
        if len(paths) == len(found):
            return paths
    return []


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
    images, labels = (
        _read(path, file, published)
        for path, file in zip(paths, published.files[split], strict=True)
    )
    size = published.sizes[split]
    for path, array, shape in (
        (paths[0], images, (size, _SIDE, _SIDE)),
        (paths[1], labels, (size,)),
    ):
        if array.shape != shape:
            raise DatasetError(
                f"{path}: not {published.name}'s ({list(array.shape)} instead of {list(shape)}); "
                f"{_REPLACE_ADVICE}"
            )
    if labels.max() >= len(published.labels):
        raise DatasetError(
            f"{paths[1]}: not {published.name}'s (it has a class {labels.max()}); {_REPLACE_ADVICE}"
        )
    return np.swapaxes(images, 1, 2) if published.transposed else images, labels


def _read(path: Path, file: MnistFile, published: PublishedDataset) -> Bytes:
    content = decompressed(path)
    digest = hashlib.sha256(content).hexdigest()
    owner = _OWNERS.get(digest, published.name)
    if owner != published.name:
        raise DatasetError(
            f"{path}: a file of {owner}, not of {published.name}; add --dataset {owner}, or point "
            f"--data at the files of {published.name}"
        )
    if file.sha256 and digest != file.sha256:
        raise DatasetError(f"{path}: damaged (wrong SHA-256); {_REPLACE_ADVICE}")
    return read_idx(content, path)


def _download(published: PublishedDataset, directory: Path) -> None:
    """Fetches the files through torchvision, from its mirrors, into its own folder."""
    from torchvision import datasets

    raw = directory / published.torchvision / "raw"
    made = [path for path in (raw, raw.parent, directory) if not path.exists()]
    options = {"split": "digits"} if published.torchvision == "EMNIST" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(datasets, published.torchvision)(str(directory), download=True, **options)
    except (
        *(RuntimeError, OSError, EOFError, zlib.error),
        *(http.client.HTTPException, zipfile.BadZipFile),
    ) as error:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()  # where it is empty: a mistyped name leaves nothing behind
        reason = f"the download failed ({' '.join(str(error).split())})"
        raise _missing(published, directory, reason) from error


def _missing(published: PublishedDataset, directory: Path, reason: str) -> DatasetError:
    names = ", ".join(f"{file.name}.gz" for files in published.files.values() for file in files)
    absence = f"no complete {published.name} in it" if directory.is_dir() else "no such folder"
    # Not into the folder itself, which other sets with files of the same names may share.
    raw = directory / published.torchvision / "raw"
    return DatasetError(
        f"{directory}: {absence}, and {reason}; put {names} into {raw}, or point --data at them"
    )
