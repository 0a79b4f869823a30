"""Datasets by name, wherever their files lie; image folders; and what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torchvision import datasets as torchvision_datasets

from mnist_edge import DatasetError, UsageError
from mnist_edge.mnist import FILES, Split
from mnist_edge.types import Preprocessing
from mnist_edge_trainer.data.datasets import DATASETS, Dataset, load_dataset, validation_size
from mnist_edge_trainer.data.registry import PUBLISHED
from mnist_edge_trainer.data.splits import Digits, split_training
from tests.conftest import SAMPLES
from tests.conftest import Digits as Arrays

RAW = SAMPLES / "MNIST" / "raw"
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts it."""

SIZES: dict[Split, int] = {"train": 300, "test": 100}

needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason="apt-get install dataset-fashion-mnist"
)


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def small(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a dataset have the sizes of `SIZES`."""
    monkeypatch.setitem(PUBLISHED, name, dataclasses.replace(PUBLISHED[name], sizes=SIZES))


def write(name: str, folder: Path, arrays: Arrays, *, compressed: bool = False) -> None:
    """Writes the files of a dataset, made of some of MNIST's images."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = arrays
    start = 0
    for split, files in PUBLISHED[name].files.items():
        part = slice(start, start + SIZES[split])
        start = part.stop
        for file, array in zip(files, (images[part], labels[part]), strict=True):
            content = idx(array)
            suffix = ".gz" if compressed else ""
            (folder / f"{file.name}{suffix}").write_bytes(
                gzip.compress(content) if compressed else content
            )


def test_mnist_has_the_published_checksum_and_sizes(samples: Path) -> None:
    dataset = load_dataset("mnist", samples)
    assert dataset.labels == tuple("0123456789")
    assert (len(dataset.training), len(dataset.test)) == (60_000, 10_000)
    assert dataset.preprocessing == "2"
    # The published checksum of the file: what models state that they were trained on.
    assert dataset.sha256 == FILES["train"][0].sha256
    assert validation_size(dataset, None) == 5_000
    assert validation_size(dataset, 123) == 123


def test_names_of_classes_equal_those_of_torchvision() -> None:
    assert PUBLISHED["fashion-mnist"].labels == tuple(torchvision_datasets.FashionMNIST.classes)
    assert PUBLISHED["kmnist"].labels == tuple(torchvision_datasets.KMNIST.classes)
    digits = torchvision_datasets.EMNIST.classes_split_dict["digits"]
    assert PUBLISHED["emnist-digits"].labels == PUBLISHED["mnist"].labels == tuple(digits)
    for published in PUBLISHED.values():
        assert not any("," in label for label in published.labels)
        assert hasattr(torchvision_datasets, published.torchvision)


@needs_fashion
def test_fashion_mnist_equals_torchvision(tmp_path: Path) -> None:
    dataset = load_dataset("fashion-mnist", FASHION)
    assert (len(dataset.training), len(dataset.test)) == (60_000, 10_000)
    assert dataset.training.labels.bincount().tolist() == [6_000] * 10
    assert dataset.preprocessing == "plain-1"
    assert validation_size(dataset, None) == 5_000
    # As torchvision reads it.
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in FASHION.glob("*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    theirs = torchvision_datasets.FashionMNIST(str(tmp_path), train=False)
    assert torch.equal(dataset.test.images[:, 0], theirs.data)
    assert torch.equal(dataset.test.labels, theirs.targets)
    ours = load_dataset("fashion-mnist", tmp_path)
    assert torch.equal(ours.training.images, dataset.training.images)


@pytest.mark.parametrize("folder", ["KMNIST/raw", "."])
@pytest.mark.parametrize("compressed", [True, False])
def test_kmnist_is_read_from_each_folder_packed_or_not(
    test_digits: Arrays,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    compressed: bool,
) -> None:
    small("kmnist", monkeypatch)
    write("kmnist", tmp_path / folder, test_digits, compressed=compressed)
    dataset = load_dataset("kmnist", tmp_path)
    assert dataset.preprocessing == "plain-1"
    assert np.array_equal(dataset.training.images[:, 0].numpy(), test_digits[0][:300])
    assert np.array_equal(dataset.test.labels.numpy(), test_digits[1][300:400])


@pytest.mark.parametrize("folder", ["EMNIST/raw", "gzip"])
def test_emnist_is_transposed(
    test_digits: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    small("emnist-digits", monkeypatch)
    images, labels = test_digits
    write("emnist-digits", tmp_path / folder, (images.transpose(0, 2, 1), labels))
    dataset = load_dataset("emnist-digits", tmp_path)
    assert dataset.preprocessing == "2"
    assert np.array_equal(dataset.training.images[:, 0].numpy(), images[:300])
    assert np.array_equal(dataset.test.images[:, 0].numpy(), images[300:400])
    assert dataset.training.images.is_contiguous()
    if folder == "EMNIST/raw":
        theirs = torchvision_datasets.EMNIST(str(tmp_path), split="digits", train=True)
        assert torch.equal(dataset.training.images[:, 0].mT, theirs.data)
        assert torch.equal(dataset.training.labels, theirs.targets)


def test_dataset_is_found_in_the_cache(
    test_digits: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("kmnist", monkeypatch)
    monkeypatch.setattr("mnist_edge_trainer.data.registry.user_cache_path", lambda _: tmp_path)
    write("kmnist", tmp_path / "KMNIST" / "raw", test_digits)
    assert len(load_dataset("kmnist", None).test) == 100


def test_missing_files_are_downloaded(
    test_digits: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(self: Any) -> None:
        write("kmnist", Path(self.raw_folder), test_digits)

    small("kmnist", monkeypatch)
    monkeypatch.setattr("torchvision.datasets.KMNIST.download", download)
    assert len(load_dataset("kmnist", tmp_path).training) == 300


def test_mistyped_folder_is_not_made(tmp_path: Path) -> None:
    mistyped = tmp_path / "my-pictrues"
    with pytest.raises(DatasetError, match=rf"^{mistyped}: no such folder"):
        load_dataset("mnist", mistyped)
    assert not mistyped.exists()


@pytest.mark.parametrize("name", DATASETS)
def test_failed_download_names_the_files_and_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(self: Any) -> None:
        Path(self.raw_folder).mkdir(parents=True)
        raise RuntimeError("Error downloading:\nmirror: refused")

    published = PUBLISHED[name]
    monkeypatch.setattr(f"torchvision.datasets.{published.torchvision}.download", fail)
    with pytest.raises(DatasetError, match=r"no complete .*mirror: refused") as caught:
        load_dataset(name, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / published.torchvision / "raw") in message
    for files in published.files.values():
        assert all(f"{file.name}.gz" in message for file in files)
    assert not list(tmp_path.iterdir())


def test_damaged_file_is_named(
    test_digits: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("kmnist", monkeypatch)
    write("kmnist", tmp_path, test_digits, compressed=True)
    victim = tmp_path / "t10k-images-idx3-ubyte.gz"
    content = victim.read_bytes()
    for damage, says in (
        (content[:1000], "damaged"),
        (gzip.compress(gzip.decompress(content)[:5000]), "truncated"),
        (gzip.compress(idx(test_digits[0][:99])), r"\[99, 28, 28\] instead of \[100, 28, 28\]"),
    ):
        victim.write_bytes(damage)
        with pytest.raises(DatasetError, match=f"^{victim}: .*{says}"):
            _ = load_dataset("kmnist", tmp_path).test
    victim.write_bytes(content)
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx(np.full(100, 10, np.uint8))))
    with pytest.raises(DatasetError, match="it has a class 10"):
        _ = load_dataset("kmnist", tmp_path).test


def test_files_of_another_dataset_are_recognized() -> None:
    # All three have files of the same names and sizes.
    with pytest.raises(DatasetError, match=r"a file of mnist, not of kmnist; add --dataset mnist"):
        load_dataset("kmnist", RAW)
    with pytest.raises(DatasetError, match=r"a file of mnist, not of fashion-mnist"):
        load_dataset("fashion-mnist", RAW)


@needs_fashion
def test_fashion_mnist_is_not_mistaken_for_mnist() -> None:
    with pytest.raises(DatasetError, match="add --dataset fashion-mnist"):
        load_dataset("mnist", FASHION)


@pytest.fixture(scope="module")
def pictures(train_digits: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder of 20 sevens and 20 ones, named 7 and 10."""
    folder = tmp_path_factory.mktemp("own") / "my-digits"
    images, labels = train_digits
    for name, digit in (("10", 1), ("7", 7)):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images[labels == digit][:20]):
            Image.fromarray(image).save(folder / name / f"{number}.png")
    return folder


def test_image_folder_is_a_dataset(pictures: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pictures, tmp_path / "my-digits")
    (copy / "7" / "text.png").write_text("not a picture")
    skipped: list[str] = []
    dataset = load_dataset("mnist", copy, skipped.append)
    assert (dataset.name, dataset.labels) == ("folder my-digits", ("7", "10"))
    assert dataset.preprocessing == "2"
    both = Digits.join([dataset.training, dataset.test])
    assert both.labels.bincount().tolist() == [20, 20]
    assert both.images.shape == (40, 1, 28, 28)
    assert skipped[0].startswith(f"{copy / '7' / 'text.png'}: not an image")
    again = load_dataset("mnist", copy)
    assert again.sha256 == dataset.sha256
    assert torch.equal(again.test.images, dataset.test.images)
    # A tenth is validated with.
    size = validation_size(dataset, None)
    assert size == len(dataset.training) // 10
    assert len(split_training(dataset.training, size)[1]) == size


def test_folders_train_and_val_are_the_splits(train_digits: Arrays, tmp_path: Path) -> None:
    images, labels = train_digits
    for split, start, stop in (("train", 0, 12), ("val", 12, 17)):
        for digit in (1, 7):
            (tmp_path / split / str(digit)).mkdir(parents=True)
            for number, image in enumerate(images[labels == digit][start:stop]):
                Image.fromarray(image).save(tmp_path / split / str(digit) / f"{number}.png")
    dataset = load_dataset("mnist", tmp_path)
    assert dataset.splits == ("train", "val")
    assert validation_size(dataset, None) == 10
    training, validation = split_training(dataset.training, 10)
    assert (len(training), len(validation)) == (24, 10)
    assert torch.equal(validation.images, dataset.test.images)
    shown = set(map(bytes, images[labels == 7][12:17]))
    read = validation.images[validation.labels == 1].numpy()
    assert set(map(bytes, read)) == shown


def test_name_that_goes_with_an_image_folder(pictures: Path, tmp_path: Path) -> None:
    # What a recipe calls it.
    assert load_dataset("own", pictures).labels == ("7", "10")
    with pytest.raises(UsageError, match="leave out --dataset kmnist"):
        load_dataset("kmnist", pictures)
    # MNIST's own files come first.
    both = shutil.copytree(pictures, tmp_path / "both")
    for path in RAW.glob("*.gz"):
        shutil.copy(path, both)
    assert load_dataset("mnist", both).name == "mnist"


def test_unknown_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'fashion-mnist'"):
        load_dataset("fasion-mnist", None)
    with pytest.raises(UsageError, match="--dataset imagenet: unknown; choose mnist"):
        load_dataset("imagenet", tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DatasetError, match="takes the folder"):
        load_dataset("mnist", file)


def test_validation_size_of_small_datasets() -> None:
    def dataset(size: int) -> Dataset:
        digits = Digits(torch.zeros(size, 1, 28, 28, dtype=torch.uint8), torch.zeros(size))
        return Dataset("x", ("a", "b"), digits, "", Preprocessing.DIGIT, "", lambda: digits)

    for size, expected in ((8, 2), (400, 40), (49_999, 4_999), (70_000, 5_000)):
        assert validation_size(dataset(size), None) == expected
