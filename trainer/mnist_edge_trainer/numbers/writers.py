"""MNIST's digits by the hand that wrote them, so that a number is of one hand.

QMNIST (Yadav and Bottou 2019, arXiv:1905.10498) found the writer of every image of MNIST. Its label
files are not part of this project; they lie beside MNIST's files, or where the user says.
"""

from __future__ import annotations

import gzip
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import DatasetError
from mnist_edge.mnist import Split
from mnist_edge.types import GrayImage
from mnist_edge_trainer.data.registry import MNIST, load

__all__ = ["Hands", "find_writers", "hands", "split_hands"]

_FILES: dict[Split, str] = {
    "train": "qmnist-train-labels.tsv.gz",
    "test": "qmnist-test-labels.tsv.gz",
}

_WRITER = 2
"""Column of the writer's number; column 0 is the digit."""

_FEWEST = 5
"""Different digits of a writer whose numbers are of one hand."""

_SPLIT_SEED = 2026


@dataclass(frozen=True, eq=False)
class Hands:
    """Digits, grouped by writer.

    Attributes:
        images: uint8 ``[N, 28, 28]`` in MNIST form.
        labels: int64 ``[N]``, 0 to 9.
        writers: for each hand, the positions of its images of each digit; a digit that it has no
            image of is empty. One hand of all images where the writers are not known.
    """

    images: GrayImage
    labels: npt.NDArray[np.int64]
    writers: list[list[npt.NDArray[np.int64]]]


def find_writers(data: Path, split: Split) -> Path | None:
    """QMNIST's labels of a split, in MNIST's folder or one above; None = not there."""
    places = (data, data / "qmnist", data / "QMNIST", data.parent / "qmnist")
    return next((path / _FILES[split] for path in places if (path / _FILES[split]).is_file()), None)


def hands(data: Path, split: Split, writers: Path | None = None) -> Hands:
    """Groups a split of MNIST by writer.

    Args:
        data: folder of MNIST's files.
        split: ``train`` or ``test``.
        writers: QMNIST's label file, or a folder with it; None = searched for near `data`.

    Raises:
        DatasetError: a file is missing, damaged, or not of these images.
    """
    images, digits = load(MNIST, data, split)
    labels = digits.astype(np.int64)
    path = find_writers(data, split) if writers is None else writers
    if path is not None and path.is_dir():
        path = find_writers(path, split)
    if path is None:
        if writers is not None:
            raise DatasetError(f"{writers}: there is no {_FILES[split]} in it")
        return Hands(images, labels, [_by_digit(labels, np.arange(len(labels)))])
    writer = _read(path, labels)
    order = np.argsort(writer, kind="stable")
    starts = np.flatnonzero(np.diff(writer[order], prepend=-1))
    groups = [_by_digit(labels, group) for group in np.split(order, starts[1:])]
    kept = [group for group in groups if sum(len(of) > 0 for of in group) >= _FEWEST]
    return Hands(images, labels, kept)


def split_hands(all_hands: Hands, held_out: int) -> tuple[Hands, Hands]:
    """Holds some writers out, the same ones every time; where there is one hand, a tenth of it."""
    images, labels = all_hands.images, all_hands.labels
    rng = np.random.default_rng(_SPLIT_SEED)
    if len(all_hands.writers) == 1:
        order = rng.permutation(len(labels))
        cut = len(order) // 10
        parts = (np.sort(order[cut:]), np.sort(order[:cut]))
        training, validation = ([_by_digit(labels, part)] for part in parts)
    else:
        order = rng.permutation(len(all_hands.writers))
        training = [all_hands.writers[i] for i in order[held_out:]]
        validation = [all_hands.writers[i] for i in order[:held_out]]
    return Hands(images, labels, training), Hands(images, labels, validation)


def _by_digit(
    labels: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    return [positions[labels[positions] == digit] for digit in range(10)]


def _read(path: Path, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    try:
        with gzip.open(path, "rt", encoding="ascii") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, which is refused below
            table = np.loadtxt(file, np.int64, delimiter="\t", usecols=(0, _WRITER))
    except (OSError, EOFError, ValueError) as error:
        raise DatasetError(f"{path}: not QMNIST's table of labels ({error})") from error
    table = table[: len(labels)]
    if table.ndim != 2 or len(table) < len(labels) or (table[:, 0] != labels).any():
        raise DatasetError(f"{path}: not the labels of these images; is it of the other split?")
    writer: npt.NDArray[np.int64] = table[:, 1]
    return writer
