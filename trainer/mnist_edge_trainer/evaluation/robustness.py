"""Robustness: accuracy on simulated photographs, by corruption and severity.

The table is that of ImageNet-C (Hendrycks and Dietterich 2019, arXiv:1903.12261). Every cell
photographs the same digits, and preprocesses each photograph twice: through the image front end,
and as most MNIST projects do (see `preprocess_naively`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import NoDigitError
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.synthetic.render import render
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES

if TYPE_CHECKING:  # worker processes import this module: they need neither torch nor scikit-learn
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.evaluation.metrics import Labels, PredictFunction

__all__ = [
    "CellAccuracy",
    "CorruptionAccuracy",
    "mean_accuracy",
    "measure_robustness",
    "preprocess_naively",
]

_BATCH = 25
"""Photographs that a worker makes at a time."""

_SEED = 2027
"""Seed of the photographs; another one than that of the training photographs."""


@dataclass(frozen=True)
class CellAccuracy:
    """Top-1 accuracy on the same photographs, preprocessed in two ways.

    Attributes:
        front_end: through the image front end, fraction.
        naive: through `preprocess_naively`, fraction.
    """

    front_end: float
    naive: float


@dataclass(frozen=True)
class CorruptionAccuracy:
    """A row of the table.

    Attributes:
        corruption: one of `CORRUPTIONS`, or ``mean``.
        by_severity: one entry for each of `SEVERITIES`.
    """

    corruption: str
    by_severity: tuple[CellAccuracy, ...]


def preprocess_naively(picture: Image.Image) -> GrayImage:
    """Converts to gray, resizes to 28 x 28, inverts where the mean is light.

    Returns:
        uint8 ``[28, 28]``.
    """
    small = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return 255 - small if small.mean() > 127 else small


def measure_robustness(
    predict: PredictFunction,
    digits: Digits,
    on_corruption: Callable[[CorruptionAccuracy], None] = lambda _: None,
) -> list[CorruptionAccuracy]:
    """Measures the accuracy for every corruption at every severity.

    Args:
        predict: the network.
        digits: to photograph, once for each cell of the table.
        on_corruption: called with each row of the table when it is complete.
    """
    truth = digits.labels.numpy()
    images = list(digits.images[:, 0].numpy())
    rows = []
    with WorkerPool(_preprocess_batch) as pool:
        for corruption in CORRUPTIONS:
            cells = []
            for severity in range(len(SEVERITIES)):
                tasks = [(corruption, severity, *numbered) for numbered in enumerate(images)]
                batches = (tasks[i : i + _BATCH] for i in range(0, len(tasks), _BATCH))
                pairs = [pair for results in pool.map(batches) for pair in results]
                front_end, naive = (np.stack(inputs) for inputs in zip(*pairs, strict=True))
                cells.append(
                    CellAccuracy(
                        _accuracy(predict, front_end, truth), _accuracy(predict, naive, truth)
                    )
                )
            rows.append(CorruptionAccuracy(corruption, tuple(cells)))
            on_corruption(rows[-1])
    return rows


def mean_accuracy(rows: Sequence[CorruptionAccuracy]) -> CorruptionAccuracy:
    """Averages over all corruptions, for each severity."""
    columns = zip(*(row.by_severity for row in rows), strict=True)
    return CorruptionAccuracy(
        "mean",
        tuple(
            CellAccuracy(
                sum(cell.front_end for cell in cells) / len(rows),
                sum(cell.naive for cell in cells) / len(rows),
            )
            for cells in columns
        ),
    )


def _preprocess_batch(
    batch: list[tuple[str, int, int, GrayImage]],
) -> list[tuple[GrayImage, GrayImage]]:
    return list(itertools.starmap(_photograph_and_preprocess, batch))


def _photograph_and_preprocess(
    corruption: str, severity: int, index: int, digit: GrayImage
) -> tuple[GrayImage, GrayImage]:
    """Makes the network's input of one photograph; all black where no digit is found."""
    rng = np.random.default_rng([_SEED, index, severity, *corruption.encode()])
    picture = render(digit, CORRUPTIONS[corruption](rng, severity), rng)
    try:
        front_end = preprocess_one(picture)
    except NoDigitError:
        front_end = np.zeros((SIDE, SIDE), np.uint8)
    return front_end, preprocess_naively(picture)


def _accuracy(predict: PredictFunction, images: GrayImage, truth: Labels) -> float:
    """Computes top-1; an image that is all black has no digit in it and counts as wrong."""
    has_ink = images.any(axis=(1, 2))
    return float((has_ink & (predict(images).argmax(axis=1) == truth)).mean())
