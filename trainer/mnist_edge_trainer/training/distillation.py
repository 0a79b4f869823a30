"""What a teacher says of distorted training pictures: made once, kept, learnt from for many epochs.

Knowledge distillation (Hinton, Vinyals and Dean, arXiv:1503.02531), patient and consistent (Beyer
et al., arXiv:2106.05237): the student learns from the teacher's probabilities for the very pixels
that it is shown itself, over many more distortions and epochs than labels alone would bear. The
teacher is a model file like any other, run by onnxruntime. Since its answers take longer than the
student's whole step, they are kept, with the pictures, in the user's cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from mnist_edge.errors import UsageError
from mnist_edge.model import Model
from mnist_edge_trainer.cache import cache_folder, cached_arrays
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.augment import Augmentation, to_unit_range

__all__ = ["SoftLabelCache", "SoftLabels", "load_teacher"]

_BATCH = 500

_LEAST = 1e-9
"""Probability that a teacher is taken to give at least: its logarithm is asked for."""


@dataclass(frozen=True)
class SoftLabels:
    """One distorted copy of the training pictures.

    Attributes:
        digits: as distorted, with their true labels.
        answers: the teacher's log-probabilities for them, float32 ``[N, C]``.
    """

    digits: Digits
    answers: Tensor


@dataclass(frozen=True)
class SoftLabelCache:
    """A number of lessons, each the same in every run.

    Attributes:
        digits: the training images.
        photos: photographs that each lesson draws `photos_each` from; empty for none.
        photos_each: so many.
        teacher: answers.
        augmentation: how pictures are distorted; None = they are not, and all lessons are alike.
        count: how many lessons there are.
        cache: folder to keep them in; None = the user's cache.
    """

    digits: Digits
    photos: Digits
    photos_each: int
    teacher: Model
    augmentation: Augmentation | None
    count: int
    cache: Path | None = None

    def lesson(self, number: int) -> SoftLabels:
        """Lesson `number`, 0 to `count` - 1, from the cache or made now.

        Raises:
            OutputError: the cache cannot be written to.
            ModelError: the teacher failed.
        """
        generator = torch.Generator().manual_seed(number)
        drawn = torch.randint(max(1, len(self.photos)), (self.photos_each,), generator=generator)
        shown = Digits.join([self.digits, self.photos[drawn]])
        path = self._path(shown, number)
        arrays = cached_arrays(path, lambda: self._made(shown.images, number))
        images, answers = torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["answers"])
        return SoftLabels(Digits(images, shown.labels), answers.float())

    def _made(self, images: Tensor, number: int) -> dict[str, npt.NDArray[Any]]:
        images = self._distorted(images, number)
        return {"images": images.numpy(), "answers": self._answers(images).numpy()}

    def _answers(self, images: Tensor) -> Tensor:
        """Log-probabilities float16 ``[N, C]``: three digits of them will do."""
        probabilities = torch.from_numpy(self.teacher.run(images[:, 0].numpy()))
        return probabilities.clamp(min=_LEAST).log().half()

    def _distorted(self, images: Tensor, number: int) -> Tensor:
        if self.augmentation is None:
            return images
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            return torch.cat(
                [
                    (self.augmentation(to_unit_range(batch)) * 255).round().to(torch.uint8)
                    for batch in images.split(_BATCH)
                ]
            )

    def _path(self, shown: Digits, number: int) -> Path:
        digest = hashlib.sha256(f"{self.augmentation}{self.teacher.sha256}".encode())
        digest.update(shown.images.numpy().tobytes())
        folder = self.cache or cache_folder("lessons")
        return folder / f"{digest.hexdigest()[:16]}-{number}.npz"


def load_teacher(name: str, labels: tuple[str, ...]) -> Model:
    """A model file or a bundled model that tells these classes.

    Raises:
        ModelError: it cannot be loaded.
        UsageError: it tells others.
    """
    teacher = Model.load(name, threads=torch.get_num_threads())
    if teacher.labels != labels:
        raise UsageError(
            f"--teacher {name}: it tells {', '.join(teacher.labels)}, and the pictures to train "
            f"on show {', '.join(labels)}"
        )
    return teacher
