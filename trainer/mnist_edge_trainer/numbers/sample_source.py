"""Samples to train the number reader's networks on, drawn ahead by other processes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.writers import hands, split_hands
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["HELD_OUT", "Recipe", "Source"]

HELD_OUT = 60
"""Writers of MNIST's training images that are held out to validate with."""

_MOST_CHUNKS = 1_000_000

_BATCHES, _VALIDATION, _CALIBRATION, _ORDER = range(4)
"""Streams of random numbers: what is trained on, validated with, measured ranges on; and order."""

S = TypeVar("S")


@dataclass(frozen=True)
class Recipe:
    """What a training depends on.

    Attributes:
        data: folder of MNIST's files.
        writers: folder or file of QMNIST's labels; "" = searched for near `data`.
        fonts: folder of typefaces beside matplotlib's; "" = none.
        init_from: folder of a run whose weights to start from; "" = random ones.
        minutes: that it trains for; the learning rate follows them.
        batch_size: samples of a step.
        lr: highest learning rate, of AdamW.
        weight_decay: of AdamW; of weights alone.
        ema_decay: of the moving average of the weights, which is validated and kept.
        uses: how often each sample is used before it is dropped.
        seed: of weights and samples.
        precision: of the products: ``fp32``, ``bf16``, or ``auto``: bf16 where it is faster.
        threads: that torch computes with.
        workers: processes that draw samples.
    """

    data: str = "samples"
    writers: str = ""
    fonts: str = ""
    init_from: str = ""
    minutes: float = 60.0
    batch_size: int = 64
    lr: float = 2.5e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.999
    uses: int = 2
    seed: int = 0
    precision: str = "auto"
    threads: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Source(Generic[S]):
    """Where samples come from; it can be sent to a worker.

    Attributes:
        recipe: whose digits, typefaces and seed.
        draw: draws a sample.
        chunk: samples that are drawn, and sorted by size, together.
        size: of a sample: those of a batch are padded to the largest.
        jitter: of the size, for other batches each time.
    """

    recipe: Recipe
    draw: Callable[[Composer, Rng], S]
    chunk: int
    size: Callable[[S], float]
    jitter: float

    def calibration(self, count: int) -> list[S]:
        """Samples like those that are trained on: to measure ranges of activations."""
        return self._drawn(count, _CALIBRATION)

    def validation(self, count: int) -> list[S]:
        """Samples of writers that are held out."""
        return self._drawn(count, _VALIDATION)

    def batches(self, first: int) -> Generator[list[S]]:
        """Batches without an end, drawn ahead by other processes, from chunk `first` on."""
        recipe = self.recipe
        pool = WorkerPool(self._chunk, recipe.workers)
        with pool, closing(Ahead(pool.map(range(first, _MOST_CHUNKS)), 2)) as chunks:
            recent: list[list[S]] = []
            for number, chunk in enumerate(chunks, first):
                recent = [*recent, chunk][-recipe.uses :]
                rng = np.random.default_rng([recipe.seed, _ORDER, number])
                mixed = [sample for samples in recent for sample in samples]
                sizes = np.array([self.size(sample) for sample in mixed])
                order = np.argsort(sizes + rng.uniform(0, self.jitter, len(mixed)))
                groups = np.array_split(order, max(1, len(mixed) // recipe.batch_size))
                for group in rng.permutation(len(groups)):
                    yield [mixed[i] for i in groups[group]]

    def next_chunk(self, steps: int) -> int:
        """The first chunk that so many steps have not used."""
        return steps * self.recipe.batch_size // (self.chunk * self.recipe.uses) + 1

    def _chunk(self, number: int) -> list[S]:
        return self._drawn(self.chunk, _BATCHES, number)

    def _drawn(self, count: int, *stream: int) -> list[S]:
        recipe = self.recipe
        is_held_out = stream[0] == _VALIDATION
        composer = _composer(recipe.data, recipe.writers, recipe.fonts, is_held_out)
        rng = np.random.default_rng([recipe.seed, *stream])
        return [self.draw(composer, rng) for _ in range(count)]


@functools.cache
def _composer(data: str, writers: str, fonts: str, is_held_out: bool) -> Composer:
    """In each process once."""
    known = hands(Path(data), "train", Path(writers) if writers else None)
    return Composer(split_hands(known, HELD_OUT)[is_held_out], Path(fonts) if fonts else None)
