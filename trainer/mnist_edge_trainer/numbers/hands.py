"""MNIST's digits by the hand that wrote them, for the test sets."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mnist_edge.mnist import Split
from mnist_edge_trainer.data.registry import MNIST, home, load
from mnist_edge_trainer.numbers.test_sets.records import Hand

__all__ = ["load_hands"]


def load_hands(
    split: str, data: Path | None, writers: Path | None, log: Callable[[str], None]
) -> list[Hand]:
    """Provisional, until numbers/writers.py is merged."""
    part: Split = "test" if split == "test" else "train"
    images, labels = load(MNIST, data or home(MNIST), part)
    assert writers is not None
    with gzip.open(writers / f"qmnist-{part}-labels.tsv.gz") as file:
        table = np.loadtxt(file, dtype=np.int64, usecols=(0, 2), max_rows=len(labels))
    assert (table[:, 0] == labels).all()
    ids = table[:, 1]
    names = np.unique(ids)
    if part == "train":
        names = names[::10]
    return [Hand(images[ids == name], labels[ids == name]) for name in names]
