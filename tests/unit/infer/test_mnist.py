"""The reader of IDX files: equal to torchvision on the real ones, clear about damaged ones."""

from __future__ import annotations

import gzip
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import DatasetError, mnist
from mnist_edge.mnist import (
    FILES,
    MnistFile,
    Split,
    find_dataset,
    idx_header,
    idx_shape,
    load_split,
    read_idx,
    read_split,
)

RAW = Path("MNIST") / "raw"


def unpack(samples: Path, folder: Path) -> None:
    """Writes MNIST's test files, uncompressed."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES["test"]:
        packed = (samples / RAW / f"{file.name}.gz").read_bytes()
        (folder / file.name).write_bytes(gzip.decompress(packed))


def test_both_splits_equal_those_of_torchvision(samples: Path, tmp_path: Path) -> None:
    from torchvision.datasets import MNIST

    shutil.copytree(samples / RAW, tmp_path / RAW)
    splits: tuple[tuple[Split, bool], ...] = (("train", True), ("test", False))
    for split, is_train in splits:
        # download=True unpacks; the checksums of the files at hand keep it off the network.
        reference = MNIST(str(tmp_path), train=is_train, download=True)
        images, labels = load_split(samples, split)
        np.testing.assert_array_equal(images, reference.data.numpy())
        np.testing.assert_array_equal(labels, reference.targets.numpy())


def test_uncompressed_files_are_read_too(samples: Path, tmp_path: Path) -> None:
    unpack(samples, tmp_path)
    np.testing.assert_array_equal(load_split(tmp_path, "test")[1], load_split(samples, "test")[1])


def test_compressed_file_and_first_folder_are_preferred(samples: Path, tmp_path: Path) -> None:
    unpack(samples, tmp_path / RAW)
    assert find_dataset(tmp_path, "test") == [tmp_path / RAW / file.name for file in FILES["test"]]
    for file in FILES["test"]:
        shutil.copy(samples / RAW / f"{file.name}.gz", tmp_path / RAW)
    packed = [tmp_path / RAW / f"{file.name}.gz" for file in FILES["test"]]
    assert find_dataset(tmp_path, "test") == packed
    unpack(samples, tmp_path)
    assert find_dataset(tmp_path, "test") == [tmp_path / file.name for file in FILES["test"]]
    assert find_dataset(tmp_path, "test", folders=("elsewhere",)) == []


def test_missing_files_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte\.gz .*--data"):
        load_split(tmp_path, "test")


@pytest.mark.parametrize("damage", ["flipped", "truncated", "not gzip"])
def test_damaged_file_is_named(samples: Path, tmp_path: Path, damage: str) -> None:
    for file in FILES["test"]:
        shutil.copy(samples / RAW / f"{file.name}.gz", tmp_path)
    victim = tmp_path / "t10k-labels-idx1-ubyte.gz"
    content = victim.read_bytes()
    if damage == "flipped":
        labels = bytearray(gzip.decompress(content))
        labels[100] ^= 1
        victim.write_bytes(gzip.compress(bytes(labels)))
    else:
        victim.write_bytes(content[:1000] if damage == "truncated" else b"hello")
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte\.gz: damaged .*delete it"):
        load_split(tmp_path, "test")


def test_file_without_a_checksum_is_read_unless_it_is_misplaced(
    samples: Path, tmp_path: Path
) -> None:
    unpack(samples, tmp_path)
    images, labels = FILES["test"]
    files = (MnistFile(images.name, ""), MnistFile(labels.name, ""))
    paths = find_dataset(tmp_path, "test")
    assert read_split(paths, files)[0].shape == (10_000, 28, 28)
    with pytest.raises(DatasetError, match=f"^{paths[1]}: of another set$"):
        read_split(paths, files, {labels.sha256: "of another set"})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x0d\x01\0\0\0\x01a",
        b"\0\0\x08\x01\0\0\0\x02a",
        b"\0\0\x08\x02\0\0\0\x01\0\0",
    ],
)
def test_content_that_is_not_idx_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetError, match="IDX"):
        read_idx(content)


@pytest.mark.parametrize("shape", [(1,) * 100, (0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)])
def test_shapes_that_numpy_does_not_have_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DatasetError, match="IDX"):
        read_idx(idx_header(shape) + bytes(math.prod(shape)))


def test_a_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "_LARGEST", 1 << 20)
    paths = [tmp_path / "images.gz", tmp_path / "labels.gz"]
    for path in paths:
        path.write_bytes(gzip.compress(bytes(3 << 20)))
    with pytest.raises(DatasetError, match=r"images.gz: larger than"):
        read_split(paths, (MnistFile("images", ""), MnistFile("labels", "")))


def test_shape_of_a_header_is_read_back() -> None:
    # Written by hand from the specification.
    assert idx_shape(b"\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\x01\0") == (2, 28, 256)
    for shape in ((), (7,), (60_000, 28, 28)):
        assert idx_shape(idx_header(shape) + b"values") == shape
    assert idx_shape(idx_header((3, 4))[:-1]) is None
