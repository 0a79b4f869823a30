"""Facts of the training dataset that a model file states."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_edge.mnist import FILES
from mnist_edge.types import DIGITS
from mnist_edge_trainer.data.registry import MNIST

__all__ = ["MNIST_FACTS", "DataFacts"]


@dataclass(frozen=True)
class DataFacts:
    """Facts of a dataset, kept in checkpoints and written into model files.

    Attributes:
        name: of the dataset.
        labels: names of the classes, in the order of the logits.
        sha256: of the training images, uncompressed.
        preprocessing: how a picture becomes the network's input (see `Preprocessing`).
        credit: its author and licence; empty = the user's own pictures.
    """

    name: str
    labels: tuple[str, ...]
    sha256: str
    preprocessing: str
    credit: str = ""

    @property
    def is_of_digits(self) -> bool:
        """Whether the classes are the ten digits."""
        return self.labels == DIGITS


MNIST_FACTS = DataFacts(
    MNIST.name, MNIST.labels, FILES["train"][0].sha256, MNIST.preprocessing.value, MNIST.credit
)
"""MNIST's: the default, and what checkpoints up to 0.3 leave unsaid."""
