"""Hands of MNIST: its digits by the person who wrote them, after QMNIST's labels.

QMNIST found the writer of every image of MNIST in NIST's files (Yadav and Bottou 2019,
arXiv:1905.10498).
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from mnist_edge.mnist import load_split
from mnist_edge_trainer.numbers.test_sets.records import Hand

__all__ = ["hands_of"]


def hands_of(split: str, data: Path, writers: Path) -> list[Hand]:
    """Provisional, until numbers/writers.py is merged."""
    images, labels = load_split(data, "test" if split == "test" else "train")
    name = f"qmnist-{'test' if split == 'test' else 'train'}-labels.tsv.gz"
    with gzip.open(writers / name) as file:
        table = np.loadtxt(file, dtype=np.int64, usecols=(0, 2), max_rows=len(labels))
    assert (table[:, 0] == labels).all()
    ids = table[:, 1]
    names = np.unique(ids)
    if split != "test":
        names = names[::10]
    return [Hand(images[ids == name], labels[ids == name]) for name in names]
