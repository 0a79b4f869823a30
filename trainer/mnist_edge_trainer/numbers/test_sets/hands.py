"""The hands of a split of MNIST, for the test sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mnist_edge_trainer.data.registry import MNIST, home
from mnist_edge_trainer.numbers.sample_source import HELD_OUT
from mnist_edge_trainer.numbers.test_sets.records import Hand
from mnist_edge_trainer.numbers.writers import hands, split_hands

__all__ = ["load_hands"]


def load_hands(
    split: str, data: Path | None, writers: Path | None, log: Callable[[str], None]
) -> list[Hand]:
    """Loads a split's digits by the hand that wrote them.

    Args:
        split: ``test``, or ``validation``: the writers of training images that training held out.
        data: MNIST's folder; None = its default place.
        writers: QMNIST's file, or its folder; None = searched for near MNIST.
        log: called where the writers are not known, so that numbers mix hands.

    Raises:
        DatasetError: a file is missing, damaged, or of other images.
    """
    grouped = hands(data or home(MNIST), "test" if split == "test" else "train", writers)
    if len(grouped.writers) == 1:
        log(
            "numbers mix the digits of several writers: QMNIST's labels were not found; "
            "name their file with --writers"
        )
    if split == "validation":
        grouped = split_hands(grouped, HELD_OUT)[1]
    positions = [np.concatenate(digits) for digits in grouped.writers]
    return [
        Hand(grouped.images[chosen], grouped.labels[chosen].astype(np.uint8))
        for chosen in positions
    ]
