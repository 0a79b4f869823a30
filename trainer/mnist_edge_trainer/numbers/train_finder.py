"""Trains the network that finds lines of digits, on pages that are drawn as they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mnist_edge_trainer.numbers.finder_batches import (
    PageBatch,
    Sample,
    collate,
    lit,
    loss_of,
    target_of,
    validate,
)
from mnist_edge_trainer.numbers.line_finder_net import LineFinderNet
from mnist_edge_trainer.numbers.pages import random_page
from mnist_edge_trainer.numbers.sample_source import Recipe, Source
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.training import Subject, load_run, train
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["FinderRecipe", "load_finder", "page_source", "train_finder"]

_NAME = "line finder"
_CHUNK = 192
_VALIDATION = 200


@dataclass(frozen=True)
class FinderRecipe(Recipe):
    """As `Recipe`, with other defaults."""

    batch_size: int = 16
    lr: float = 3e-3
    ema_decay: float = 0.998
    uses: int = 3


def page_source(recipe: Recipe) -> Source[Sample]:
    """Pages to train on, and to validate with."""
    return Source(recipe, _sample, _CHUNK, _shape, jitter=20_000.0)


def _sample(composer: Composer, rng: Rng) -> Sample:
    page = random_page(composer, rng)
    return Sample(page.image, target_of(page.lines, *page.levels.shape))


def _shape(sample: Sample) -> float:
    """Orders pages by their height, and those of a height by their width."""
    rows, columns = sample.image.shape
    return float(rows * 1_000 + columns)


def train_finder(
    recipe: FinderRecipe, run: Path, *, resume: bool = False, log: Callable[[str], None] = print
) -> LineFinderNet:
    """Trains a line finder (see `mnist_edge_trainer.numbers.training.train`)."""
    subject = Subject(
        _NAME, LineFinderNet, page_source(recipe), collate, _loss, validate, _VALIDATION
    )
    return train(subject, run, resume=resume, log=log)


def _loss(network: LineFinderNet, batch: PageBatch, _: float, generator: torch.Generator) -> Tensor:
    levels, targets = lit(batch, generator)
    return loss_of(network(levels.to(memory_format=torch.channels_last)), targets)


def load_finder(run: Path) -> tuple[FinderRecipe, LineFinderNet, int]:
    """The recipe, the moving average, and the steps of a run.

    Raises:
        TrainingError: there is no such run.
    """
    return load_run(run, _NAME, FinderRecipe, lambda _: LineFinderNet())
