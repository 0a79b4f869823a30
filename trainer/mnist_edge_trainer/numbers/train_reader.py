"""Trains the network that reads lines, on lines that are drawn as they are needed.

CTC alone finds out slowly where symbols lie. Here their places are known, so two further losses
help: each symbol's class in the middle of its box, less and less as training goes on, and its box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mnist_edge_trainer.numbers.line_images import LineSample, random_line
from mnist_edge_trainer.numbers.line_reader import LineReaderNet
from mnist_edge_trainer.numbers.reader_batches import Batch, collate, loss_of, validate, worn
from mnist_edge_trainer.numbers.sample_source import Recipe, Source
from mnist_edge_trainer.numbers.training import Subject, load_run, train

__all__ = ["ReaderRecipe", "line_source", "load_reader", "train_reader"]

_NAME = "line reader"
_CHUNK = 1_024
_VALIDATION = 1_000


@dataclass(frozen=True)
class ReaderRecipe(Recipe):
    """As `Recipe`.

    Attributes:
        width: of the network, of its usual numbers of channels.
    """

    width: float = 1.0


def line_source(recipe: Recipe) -> Source[LineSample]:
    """Lines to train on, and to validate with."""
    return Source(recipe, random_line, _CHUNK, _width, jitter=24.0)


def _width(line: LineSample) -> float:
    return float(line.image.shape[1])


def train_reader(
    recipe: ReaderRecipe, run: Path, *, resume: bool = False, log: Callable[[str], None] = print
) -> LineReaderNet:
    """Trains a line reader (see `mnist_edge_trainer.numbers.training.train`)."""
    subject = Subject(
        _NAME,
        lambda: LineReaderNet(width=recipe.width),
        line_source(recipe),
        collate,
        _loss,
        lambda network, lines: {"lines": round(validate(network, lines), 4)},
        _VALIDATION,
    )
    return train(subject, run, resume=resume, log=log)


def _loss(
    network: LineReaderNet, batch: Batch, progress: float, generator: torch.Generator
) -> Tensor:
    images = worn(batch.images, generator).to(memory_format=torch.channels_last)
    return loss_of(network(images), batch, max(0.1, 1 - 2 * progress))


def load_reader(run: Path) -> tuple[ReaderRecipe, LineReaderNet, int]:
    """The recipe, the moving average, and the steps of a run.

    Raises:
        TrainingError: there is no such run.
    """
    return load_run(run, _NAME, ReaderRecipe, lambda recipe: LineReaderNet(width=recipe.width))
