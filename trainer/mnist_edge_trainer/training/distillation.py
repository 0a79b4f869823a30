"""Distillation: a teacher's soft labels for distorted training images, computed once and cached.

Knowledge distillation (Hinton, Vinyals and Dean, arXiv:1503.02531), patient and consistent (Beyer
et al., arXiv:2106.05237): the student learns from the teacher's probabilities for the very pixels
that it sees itself, over many more distortions and epochs than labels alone would bear. The
teacher is a model file like any other, run by onnxruntime. Its predictions take longer than the
student's whole step, so they are kept, with the images, in the user's cache.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.errors import ModelError, UsageError
from mnist_edge.model import Model, Probabilities
from mnist_edge_trainer.aliases import current_name
from mnist_edge_trainer.cache import cache_folder, cached_arrays
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.augment import Augmentation, to_unit_range
from mnist_edge_trainer.training.device import user_threads

__all__ = ["SoftLabelCache", "SoftLabels", "load_teacher", "released_teachers"]

_BATCH = 500

_SHARE = 1_280
"""Images that a thread takes at a time; whole batches of `Model.run`."""

_LOWEST_PROBABILITY = 1e-9
"""Lower probabilities of a teacher are raised to this: their logarithm is taken."""

_CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class SoftLabels:
    """One view: a distorted copy of the training images, with a teacher's soft labels.

    Attributes:
        digits: the distorted images, with their true labels.
        log_probabilities: the teacher's, float32 ``[N, C]``.
    """

    digits: Digits
    log_probabilities: Tensor


@dataclass(frozen=True)
class SoftLabelCache:
    """A number of views of the training images; view n is the same in every run.

    Attributes:
        digits: the training images.
        photos: photographs that each view draws from; empty = none.
        photos_per_view: number of photographs drawn.
        teacher: model that labels the images.
        augmentation: distortion of the images; None = none, and all views are alike.
        views: number of views.
        cache: folder to keep them in; None = the user's cache.
    """

    digits: Digits
    photos: Digits
    photos_per_view: int
    teacher: Model
    augmentation: Augmentation | None
    views: int
    cache: Path | None = None

    def view(self, number: int, closed: threading.Event | None = None) -> SoftLabels:
        """Reads a view from the cache, or makes it.

        Args:
            number: 0 to `views` - 1.
            closed: once it is set, in another thread, the view is not wanted any more.

        Raises:
            CancelledError: `closed` was set.
            ModelError: the teacher failed.
        """
        generator = torch.Generator().manual_seed(number)
        size = (self.photos_per_view,)
        drawn = torch.randint(max(1, len(self.photos)), size, generator=generator)
        originals = Digits.join([self.digits, self.photos[drawn]])
        arrays = cached_arrays(
            self._path(originals, number),
            lambda: self._make(originals.images, number, closed or threading.Event()),
        )
        images = torch.from_numpy(arrays["images"])
        log_probabilities = torch.from_numpy(arrays["log_probabilities"]).float()
        return SoftLabels(Digits(images, originals.labels), log_probabilities)

    def _make(
        self, originals: Tensor, number: int, closed: threading.Event
    ) -> dict[str, npt.NDArray[Any]]:
        images = self._distort(originals, number)
        probabilities = torch.from_numpy(_predictions(self.teacher, images[:, 0].numpy(), closed))
        # float16: three digits of a logarithm are enough.
        log_probabilities = probabilities.clamp(min=_LOWEST_PROBABILITY).log().half()
        return {"images": images.numpy(), "log_probabilities": log_probabilities.numpy()}

    def _distort(self, images: Tensor, number: int) -> Tensor:
        if self.augmentation is None:
            return images
        # Not torch's global generator, which training draws from meanwhile.
        generator = torch.Generator().manual_seed(number)
        distorted = [
            self.augmentation(to_unit_range(batch), generator) for batch in images.split(_BATCH)
        ]
        return torch.cat([(batch * 255).round().to(torch.uint8) for batch in distorted])

    def _path(self, originals: Digits, number: int) -> Path:
        digest = hashlib.sha256(f"{self.augmentation}{self.teacher.sha256}".encode())
        digest.update(originals.images.numpy().tobytes())
        folder = self.cache or cache_folder("soft-labels")
        return folder / f"{digest.hexdigest()[:16]}-{number}.npz"


def _predictions(
    teacher: Model, images: npt.NDArray[np.uint8], closed: threading.Event
) -> Probabilities:
    """The teacher's probabilities, on as many cores as there are.

    Every thread predicts images of its own: none waits for another after each operator, which is
    slow on a busy machine.
    """

    def predict(part: npt.NDArray[np.uint8]) -> Probabilities:
        if closed.is_set():
            raise CancelledError
        return teacher.run(part)

    parts = np.split(images, range(_SHARE, len(images), _SHARE))
    with ThreadPoolExecutor(user_threads() or available_cores()) as threads:
        return np.concatenate(list(threads.map(predict, parts)))


def released_teachers() -> Mapping[str, Traversable]:
    """The teachers of the package, by name: large networks, which no device needs."""
    folder = resources.files("mnist_edge_trainer") / "teachers"
    return {
        file.name.removesuffix(".onnx"): file
        for file in folder.iterdir()
        if file.name.endswith(".onnx")
    }


def load_teacher(name: str, labels: tuple[str, ...]) -> Model:
    """Loads the model whose soft labels a student learns from.

    Args:
        name: a released teacher's name (of this or an earlier release), a bundled model's name,
            or path of an ``.onnx`` file.
        labels: names of the student's classes.

    Raises:
        ModelError: it cannot be loaded, or a released teacher is not the released bytes.
        UsageError: its classes are not the student's.
    """
    released = released_teachers().get(current_name(name))
    if released is None:
        teacher = Model.load(name)
    else:
        teacher = Model.from_bytes(_released_bytes(released), current_name(name))
    if teacher.labels != labels:
        raise UsageError(
            f"--teacher {name}: its classes are {', '.join(teacher.labels)}, and those of the "
            f"training images {', '.join(labels)}"
        )
    return teacher


def _released_bytes(file: Traversable) -> bytes:
    """The file's bytes; raises ModelError where their checksum is not the released one."""
    content = file.read_bytes()
    sums = (resources.files("mnist_edge_trainer") / "teachers" / _CHECKSUMS).read_text("ascii")
    if f"{hashlib.sha256(content).hexdigest()}  {file.name}" not in sums.splitlines():
        raise ModelError(
            f"{file}: not the released file (its SHA-256 is not the one in {_CHECKSUMS}); "
            "reinstall mnist-edge"
        )
    return content
