"""Simulated photographs, through the image front end, for a network to be trained on.

What the network is shown of a photograph is what the front end makes of it, faults included, so
that is what it learns from. The pictures are the same for every run, are made in chunks as the
training comes to need them, and are kept in the user's cache.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import PIL
import scipy
from PIL import Image

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import NoDigitError
from mnist_edge.preprocess.preprocessor import PREPROCESSING_REVISION, preprocess_one
from mnist_edge_trainer.cache import cache_folder, cached_arrays
from mnist_edge_trainer.synthetic.digit_variants import digit_variant
from mnist_edge_trainer.synthetic.negatives import printed_digit, sample_negative
from mnist_edge_trainer.synthetic.render import blank_page, photograph, plain_scene, random_scene

__all__ = [
    "CHUNK",
    "NEGATIVE",
    "Photos",
    "SyntheticDataset",
    "synthetic_negatives",
    "synthetic_photos",
]

Grey = npt.NDArray[np.uint8]

NEGATIVE = -1
"""Label of what is no digit: every class is equally wrong."""

CHUNK = 1_000
"""Photographs made at a time."""

_NO_DIGIT, _PRINTED, _UNUSUAL = 0.13, 0.06, 0.12
"""Parts of a chunk that are no digits, printed digits, and digits of unusual forms."""

_EMPTY = 0.25
"""Part of what is no digit that is nothing at all: what the front end takes for ink on a page."""

_PLAIN = 0.5
"""Part of unusual forms that lie upright on a plain page: a 1 with a flag, tilted, is a 7."""

_BATCH = 50
"""Photographs that a worker makes at a time."""

_SEED = 2026

SIMULATOR_VERSION = "1"
"""To be raised by every change that makes other photographs: cached ones are then not used again.

A change of the preprocessing raises `PREPROCESSING_REVISION`."""

_VERSIONS = " ".join(
    [
        f"simulator {SIMULATOR_VERSION}, preprocessing {PREPROCESSING_REVISION}",
        *(library.__version__ for library in (np, PIL, scipy, matplotlib)),
    ]
)
"""Of everything that decides what a photograph becomes."""


@dataclass(frozen=True)
class Photos:
    """What the front end made of photographs.

    Attributes:
        images: uint8 ``[N, 28, 28]``, 0 = background, 255 = ink.
        labels: int64 ``[N]``, 0 to 9, or `NEGATIVE`.
    """

    images: Grey
    labels: npt.NDArray[np.int64]

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

    digits: Grey
    labels: npt.NDArray[np.int64]
    cache: Path | None = field(default=None)

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-len(self.digits) // CHUNK)

    def chunk(self, number: int) -> Photos:
        """Chunk `number`, 0 and up: some of it is printed, of unusual form, or no digit.

        Photographs in which the front end finds nothing are left out.

        Raises:
            OutputError: the cache cannot be written to.
        """
        part = slice(number * CHUNK, (number + 1) * CHUNK)
        return _kept(_mixture, self.digits[part], self.labels[part], number, self.cache)


def synthetic_photos(
    digits: Grey, labels: npt.NDArray[np.int64], seed: int, cache: Path | None = None
) -> Photos:
    """One photograph of each digit, and nothing else (see `SyntheticDataset`)."""
    return _kept(_digit, digits, labels, seed, cache)


def synthetic_negatives(digits: Grey, seed: int, cache: Path | None = None) -> Photos:
    """One photograph of a non-digit for each digit given (see `sample_negative`)."""
    return _kept(_stranger, digits, np.full(len(digits), NEGATIVE), seed, cache)


Subject = Callable[[Grey, int, Grey, np.random.Generator], tuple[Image.Image, int]]
"""Takes a picture, given a digit, its label, and others to make what is no digit of."""


def _digit(digit: Grey, label: int, _: Grey, rng: np.random.Generator) -> tuple[Image.Image, int]:
    return photograph(digit, random_scene(rng), rng), label


def _stranger(_: Grey, __: int, digits: Grey, rng: np.random.Generator) -> tuple[Image.Image, int]:
    shown = sample_negative(digits, rng)
    take = blank_page if rng.random() < _EMPTY else photograph
    return take(shown, random_scene(rng), rng), NEGATIVE


def _unusual(rng: np.random.Generator) -> tuple[Image.Image, int]:
    form, label = digit_variant(rng)
    scene = plain_scene(rng) if rng.random() < _PLAIN else random_scene(rng)
    return photograph(form, scene, rng), label


def _mixture(
    digit: Grey, label: int, digits: Grey, rng: np.random.Generator
) -> tuple[Image.Image, int]:
    """What a chunk is made of."""
    drawn = rng.random()
    if drawn < _NO_DIGIT:
        return _stranger(digit, label, digits, rng)
    if drawn < _NO_DIGIT + _UNUSUAL:
        return _unusual(rng)
    if drawn < _NO_DIGIT + _UNUSUAL + _PRINTED:
        digit = printed_digit(label, rng)
    return _digit(digit, label, digits, rng)


def _kept(
    subject: Subject, digits: Grey, labels: npt.NDArray[np.int64], seed: int, cache: Path | None
) -> Photos:
    """Photographs from the cache, or made now."""
    digest = hashlib.sha256(f"{_VERSIONS} {subject.__name__}".encode())
    digest.update(digits.tobytes() + labels.tobytes())
    path = (cache or cache_folder("photos")) / f"{digest.hexdigest()[:16]}-{seed}.npz"
    arrays = cached_arrays(path, lambda: vars(_render(subject, digits, labels, seed)))
    return Photos(arrays["images"], arrays["labels"])


def _render(subject: Subject, digits: Grey, labels: npt.NDArray[np.int64], seed: int) -> Photos:
    """Photographs a subject for every digit, on all cores, in order."""
    work = functools.partial(_render_batch, subject, seed)
    batches = (
        (start, digits[start : start + _BATCH], labels[start : start + _BATCH])
        for start in range(0, len(digits), _BATCH)
    )
    with WorkerPool(work) as pool:
        made = list(pool.map(batches))
    return Photos(
        np.concatenate([images for images, _ in made]),
        np.concatenate([kept for _, kept in made]),
    )


def _render_batch(
    subject: Subject, seed: int, batch: tuple[int, Grey, npt.NDArray[np.int64]]
) -> tuple[Grey, npt.NDArray[np.int64]]:
    start, digits, labels = batch
    images: list[Grey] = []
    kept: list[int] = []
    for index, (digit, label) in enumerate(zip(digits, labels, strict=True), start):
        rng = np.random.default_rng([_SEED, seed, index])
        picture, answer = subject(digit, int(label), digits, rng)
        try:
            images.append(preprocess_one(picture))
        except NoDigitError:
            continue
        kept.append(answer)
    return np.array(images, np.uint8).reshape(-1, 28, 28), np.array(kept, np.int64)
