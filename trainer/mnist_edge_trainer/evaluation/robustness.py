"""How well pictures of digits are read, by what is wrong with the picture and how badly.

Every cell of the table photographs the same digits, and reads each twice: through the image front
end, and the way that nearly every MNIST project goes (see `naive`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import NoDigitError
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.synthetic.render import render
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES

__all__ = ["CorruptionScores", "Scores", "measure_robustness", "naive"]

Grey = npt.NDArray[np.uint8]
Network = Callable[[Grey], npt.NDArray[np.float32]]

_BATCH = 25
"""Photographs that a worker makes at a time."""

_SEED = 2027
"""Not the one that training photographs are made with."""


@dataclass(frozen=True)
class Scores:
    """Top-1 of the same pictures, fractions: through the front end, and the naive way."""

    front_end: float
    naive: float


@dataclass(frozen=True)
class CorruptionScores:
    """Scores along one axis, one for each of `photos.SEVERITIES`."""

    axis: str
    by_severity: tuple[Scores, ...]


def naive(picture: Image.Image) -> Grey:
    """Grey, resized to 28 x 28, inverted where the mean is light: uint8 ``[28, 28]``."""
    small = np.asarray(picture.convert("L").resize((28, 28), Image.Resampling.BILINEAR))
    return 255 - small if small.mean() > 127 else small


def measure_robustness(
    network: Network, digits: Digits, on_axis: Callable[[CorruptionScores], None] = lambda _: None
) -> list[CorruptionScores]:
    """Scores every axis at every severity.

    Args:
        network: probabilities float32 ``[N, 10]`` of uint8 ``[N, 28, 28]``.
        digits: to photograph, once for each cell of the table.
        on_axis: is given each axis as it is done.
    """
    labels = digits.labels.numpy()
    images = list(digits.images[:, 0].numpy())
    scores = []
    with WorkerPool(_read_batch) as pool:
        for axis in CORRUPTIONS:
            cells = []
            for severity in range(len(SEVERITIES)):
                batches = (
                    [(axis, severity, i, images[i]) for i in range(start, stop)]
                    for start in range(0, len(images), _BATCH)
                    for stop in [min(len(images), start + _BATCH)]
                )
                read = [pictures for batch in pool.map(batches) for pictures in batch]
                ours, theirs = (np.stack(pictures) for pictures in zip(*read, strict=True))
                cells.append(
                    Scores(_accuracy(network, ours, labels), _accuracy(network, theirs, labels))
                )
            scores.append(CorruptionScores(axis, tuple(cells)))
            on_axis(scores[-1])
    return scores


def _read_batch(batch: list[tuple[str, int, int, Grey]]) -> list[tuple[Grey, Grey]]:
    return [_read(*photograph) for photograph in batch]


def _read(axis: str, severity: int, index: int, digit: Grey) -> tuple[Grey, Grey]:
    """What the network sees of one photograph; all black where no digit is found."""
    rng = np.random.default_rng([_SEED, index, severity, *axis.encode()])
    picture = render(digit, CORRUPTIONS[axis](rng, severity), rng)
    try:
        ours = preprocess_one(picture)
    except NoDigitError:
        ours = np.zeros((28, 28), np.uint8)
    return ours, naive(picture)


def _accuracy(network: Network, pictures: Grey, labels: npt.NDArray[np.int64]) -> float:
    found = pictures.any(axis=(1, 2))
    return float((found & (network(pictures).argmax(axis=1) == labels)).mean())
