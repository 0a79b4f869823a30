"""The synthetic dataset: simulated photographs as a network gets to see them, cached.

A network learns from what the preprocessing makes of a photograph, its faults included. The
pictures are the same for every run. They are rendered in chunks as the training comes to need them,
and kept in the user's cache.

Every worker process imports this module: it must not import torch, which takes seconds.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import matplotlib
import numpy as np
import numpy.typing as npt
import PIL
import scipy
from PIL import Image

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import ImageError
from mnist_edge.inputs.decode import decode
from mnist_edge.preprocess.preprocessor import PREPROCESSING_REVISION, preprocess
from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.cache import cache_folder, cached_arrays
from mnist_edge_trainer.synthetic.camera import TRAINING_CAMERA
from mnist_edge_trainer.synthetic.digit_variants import digit_variant
from mnist_edge_trainer.synthetic.negatives import printed_digit, sample_negative
from mnist_edge_trainer.synthetic.render import render, render_blank
from mnist_edge_trainer.synthetic.scenes import Rng, plain_scene, random_scene
from mnist_edge_trainer.workers import map_in_workers

if TYPE_CHECKING:
    from mnist_edge_trainer.data.splits import Digits

__all__ = [
    "CHUNK",
    "NEGATIVE",
    "Photos",
    "SyntheticDataset",
    "held_out_negatives",
    "held_out_photos",
    "synthetic_negatives",
    "synthetic_photos",
    "training_photos",
]

Labels: TypeAlias = npt.NDArray[np.int64]

NEGATIVE = -1
"""Label of a non-digit: every class is equally wrong."""

CHUNK = 1_000
"""Photographs that are rendered, and cached, together."""

_NEGATIVE_SHARE, _VARIANT_SHARE, _PRINTED_SHARE = 0.33, 0.12, 0.08
"""Parts of a chunk that are non-digits, digit variants, and printed digits."""

_BLANK_SHARE = 0.12
"""Part of the non-digits that are blank pages: of what the preprocessing takes for ink there."""

_PLAIN_SHARE = 0.5
"""Part of the digit variants on a plain page, upright: a 1 with a flag, tilted, is a 7."""

_BATCH = 50
"""Photographs that a worker renders at a time."""

_AHEAD = 2 * CHUNK
"""Photographs that are rendered ahead of their use at most."""

_HELD_OUT = 1_000
"""Photographs to validate with, and as many of non-digits."""

_SEED = 2026

_HELD_OUT_SEED = 1_000_000
"""No chunk of the training photographs has this number: no scene is in both."""

SIMULATOR_VERSION = "4"
"""To be raised by every change that makes other photographs: cached ones are then not used again.

A change of the preprocessing raises `PREPROCESSING_REVISION`."""

_THREADS = "OMP_NUM_THREADS"
"""What numpy's and scipy's libraries take the number of their threads from."""

_VERSIONS = " ".join(
    [
        f"simulator {SIMULATOR_VERSION}, preprocessing {PREPROCESSING_REVISION}",
        *(library.__version__ for library in (np, PIL, scipy, matplotlib)),
    ]
)
"""Versions of all that decides what a photograph becomes."""


@dataclass(frozen=True)
class Photos:
    """Photographs, preprocessed.

    Attributes:
        images: uint8 ``[N, 28, 28]``, 0 = background, 255 = ink.
        labels: int64 ``[N]``, 0 to 9, or `NEGATIVE`.
    """

    images: GrayImage
    labels: Labels

    @classmethod
    def join(cls, parts: Sequence[Photos]) -> Photos:
        """Concatenates several, in order."""
        return cls(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class SyntheticDataset:
    """Photographs of a set of digits, one of each digit, chunk by chunk.

    Attributes:
        digits: uint8 ``[N, 28, 28]`` in MNIST form.
        labels: integers ``[N]``, 0 to 9.
        cache: folder to keep chunks in; None = the user's cache.
    """

    digits: GrayImage
    labels: Labels
    cache: Path | None = None

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.digits) // CHUNK)

    def chunk(self, number: int) -> Photos:
        """Renders a chunk, or reads it from the cache.

        Some of it is printed digits, digit variants, and non-digits. Photographs in which the
        preprocessing finds nothing are left out.

        Args:
            number: 0 to `chunks` - 1.

        Raises:
            OutputError: the cache cannot be written to.
        """
        return _rendered(_mixed_photo, *self._part(number), number, self.cache)

    def stream(self, count: int, workers: int = 1) -> Generator[Photos]:
        """The first chunks, in order, rendered by so many processes ahead of their use.

        Args:
            count: chunks, `chunks` at most.
            workers: processes; they end with the iterator, which is a generator.

        Raises:
            MnistEdgeError: a worker process died.
        """
        missing = [number for number in range(count) if not self._path(number).exists()]
        with self._rendered_ahead(missing, workers) as rendered:
            for number in range(count):
                if number in missing:
                    parts = list(itertools.islice(rendered, len(_batches(*self._part(number)))))
                    yield _cached(self._path(number), functools.partial(Photos.join, parts))
                else:
                    yield self.chunk(number)

    @contextlib.contextmanager
    def _rendered_ahead(self, numbers: list[int], workers: int) -> Iterator[Iterator[Photos]]:
        """The batches of some chunks."""
        if not numbers:
            yield iter(())
            return
        tasks = ((number, batch) for number in numbers for batch in _batches(*self._part(number)))
        with _one_thread_each():
            pool = WorkerPool(_render_task, workers)
        with pool, contextlib.closing(Ahead(pool.map(tasks), _AHEAD // _BATCH)) as rendered:
            yield rendered

    def _part(self, number: int) -> tuple[GrayImage, Labels]:
        part = slice(number * CHUNK, (number + 1) * CHUNK)
        return self.digits[part], self.labels[part]

    def _path(self, number: int) -> Path:
        return _cache_path(_mixed_photo, *self._part(number), number, self.cache)


def synthetic_photos(
    digits: GrayImage, labels: Labels, seed: int, cache: Path | None = None
) -> Photos:
    """Photographs of digits alone, one of each (arguments as `SyntheticDataset`'s)."""
    return _rendered(_digit_photo, digits, labels, seed, cache)


def synthetic_negatives(digits: GrayImage, seed: int, cache: Path | None = None) -> Photos:
    """Photographs of non-digits alone, one for each digit given (see `sample_negative`)."""
    labels = np.full(len(digits), NEGATIVE)
    return _rendered(_negative_photo, digits, labels, seed, cache)


def training_photos(training: Digits) -> SyntheticDataset:
    """Photographs to train on, rendered as they are needed."""
    return SyntheticDataset(training.images[:, 0].numpy(), training.labels.numpy())


def held_out_photos(validation: Digits) -> Digits:
    """Photographs of the first 1,000 validation digits in which something is found."""
    part = validation[:_HELD_OUT]
    return _as_digits(
        synthetic_photos(part.images[:, 0].numpy(), part.labels.numpy(), seed=_HELD_OUT_SEED)
    )


def held_out_negatives(validation: Digits) -> Digits:
    """Photographs of 1,000 non-digits; pairs of digits are of the first 1,000 of `validation`."""
    part = validation[:_HELD_OUT]
    return _as_digits(synthetic_negatives(part.images[:, 0].numpy(), seed=_HELD_OUT_SEED))


def _as_digits(photos: Photos) -> Digits:
    from mnist_edge_trainer.data.splits import Digits

    return Digits.of(photos.images, photos.labels)


_Batch: TypeAlias = tuple[int, GrayImage, Labels]
"""Position of the first digit in its chunk, digits, labels."""

_Sampler: TypeAlias = Callable[[GrayImage, int, GrayImage, Rng], tuple[Image.Image, int]]
"""Renders a picture and labels it, given a digit, its label, and digits to make non-digits of."""


def _digit_photo(digit: GrayImage, label: int, _: GrayImage, rng: Rng) -> tuple[Image.Image, int]:
    return render(digit, random_scene(rng), rng, TRAINING_CAMERA), label


def _negative_photo(_: GrayImage, __: int, digits: GrayImage, rng: Rng) -> tuple[Image.Image, int]:
    negative = sample_negative(digits, rng)
    draw = render_blank if rng.random() < _BLANK_SHARE else render
    return draw(negative, random_scene(rng), rng, TRAINING_CAMERA), NEGATIVE


def _variant_photo(rng: Rng) -> tuple[Image.Image, int]:
    variant, label = digit_variant(rng)
    scene = plain_scene(rng) if rng.random() < _PLAIN_SHARE else random_scene(rng)
    return render(variant, scene, rng, TRAINING_CAMERA), label


def _mixed_photo(
    digit: GrayImage, label: int, digits: GrayImage, rng: Rng
) -> tuple[Image.Image, int]:
    """Renders a training photograph: a digit, a printed digit, a variant, or a negative."""
    kind = rng.random()
    if kind < _NEGATIVE_SHARE:
        return _negative_photo(digit, label, digits, rng)
    if kind < _NEGATIVE_SHARE + _VARIANT_SHARE:
        return _variant_photo(rng)
    if kind < _NEGATIVE_SHARE + _VARIANT_SHARE + _PRINTED_SHARE:
        digit = printed_digit(label, rng)
    return _digit_photo(digit, label, digits, rng)


def _rendered(
    sampler: _Sampler, digits: GrayImage, labels: Labels, seed: int, cache: Path | None
) -> Photos:
    """Photographs from the cache, or rendered now, on all cores."""
    path = _cache_path(sampler, digits, labels, seed, cache)
    return _cached(path, lambda: _render_all(sampler, digits, labels, seed))


def _cache_path(
    sampler: _Sampler, digits: GrayImage, labels: Labels, seed: int, cache: Path | None
) -> Path:
    digest = hashlib.sha256(f"{_VERSIONS} {sampler.__name__}".encode())
    digest.update(digits.tobytes() + labels.tobytes())
    return (cache or cache_folder("photos")) / f"{digest.hexdigest()[:16]}-{seed}.npz"


def _cached(path: Path, make: Callable[[], Photos]) -> Photos:
    arrays = cached_arrays(path, lambda: vars(make()))
    return Photos(arrays["images"], arrays["labels"])


def _render_all(sampler: _Sampler, digits: GrayImage, labels: Labels, seed: int) -> Photos:
    """Renders a photograph for every digit, on all cores, in order."""
    render_batch = functools.partial(_render_batch, sampler, seed)
    with _one_thread_each():
        return Photos.join(list(map_in_workers(render_batch, _batches(digits, labels))))


def _batches(digits: GrayImage, labels: Labels) -> list[_Batch]:
    """What a worker renders at a time."""
    starts = range(0, len(digits), _BATCH)
    return [(start, digits[start:][:_BATCH], labels[start:][:_BATCH]) for start in starts]


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that are started meanwhile multiply matrices with one thread.

    There is a process for each core: more threads would only wait for one another.
    """
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def _render_task(task: tuple[int, _Batch]) -> Photos:
    """A batch of a chunk of training photographs."""
    number, batch = task
    return _render_batch(_mixed_photo, number, batch)


def _render_batch(sampler: _Sampler, seed: int, batch: _Batch) -> Photos:
    """Renders and preprocesses; the number of a photograph decides what it looks like."""
    start, digits, labels = batch
    images: list[GrayImage] = []
    kept: list[int] = []
    for index, (digit, label) in enumerate(zip(digits, labels, strict=True), start):
        rng = np.random.default_rng([_SEED, seed, index])
        picture, shown = sampler(digit, int(label), digits, rng)
        pixels = np.asarray(picture) if picture.mode == "RGB" else decode(picture)
        (image,) = preprocess([pixels], [None])
        if not isinstance(image, ImageError):
            images.append(image)
            kept.append(shown)
    return Photos(np.array(images, np.uint8).reshape(-1, SIDE, SIDE), np.array(kept, np.int64))
