"""The dataset's reader: right on the real files, clear about damaged ones."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import DatasetError
from mnist_edge.mnist import FILES, load_split, read_idx

RAW = Path("MNIST") / "raw"


def test_reads_the_same_as_torchvision(samples: Path, tmp_path: Path) -> None:
    from torchvision.datasets import MNIST

    shutil.copytree(samples / RAW, tmp_path / RAW)
    for split, is_train in (("train", True), ("test", False)):
        # download=True unpacks; the checksums of the files at hand keep it off the network.
        theirs = MNIST(str(tmp_path), train=is_train, download=True)
        images, labels = load_split(samples, split)  # type: ignore[arg-type]
        np.testing.assert_array_equal(images, theirs.data.numpy())
        np.testing.assert_array_equal(labels, theirs.targets.numpy())


def test_reads_uncompressed_files_too(samples: Path, tmp_path: Path) -> None:
    for file in FILES["test"]:
        packed = (samples / RAW / f"{file.name}.gz").read_bytes()
        (tmp_path / file.name).write_bytes(gzip.decompress(packed))
    np.testing.assert_array_equal(load_split(tmp_path, "test")[1], load_split(samples, "test")[1])


def test_names_the_missing_files_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte\.gz .*--data"):
        load_split(tmp_path, "test")


@pytest.mark.parametrize("damage", ["flipped", "truncated", "not gzip"])
def test_refuses_a_damaged_file_by_name(samples: Path, tmp_path: Path, damage: str) -> None:
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


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01a", b"\0\0\x08\x01\0\0\0\x02a"]
)
def test_refuses_what_is_no_idx_file(content: bytes) -> None:
    with pytest.raises(DatasetError, match="IDX"):
        read_idx(content)
