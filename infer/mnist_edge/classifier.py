"""image -> model -> Prediction, for one picture, several, or a stream of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageError
from mnist_edge.inputs.decode import ImageSource, describe
from mnist_edge.model import Model
from mnist_edge.preprocess.pipeline import prepare, prepare_all, prepare_all_plain, prepare_plain
from mnist_edge.types import DIGITS, Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DigitClassifier", "Prediction"]

Grey = npt.NDArray[np.uint8]

_BATCH = 32
"""Pictures decoded before the network sees them: small, so that answers flow."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one picture, or why there is none.

    Attributes:
        path: where the picture came from, where it has a path.
        digit: 0 to 9, or the number of the class, 0 to C - 1; None where there is no answer.
        confidence: probability of `digit`, 0..1; None where the picture was not read.
        probabilities: float32 ``[C]``, sums to 1; None where the picture was not read.
        error: one line; None where there is an answer.
        image: what the network saw, uint8 ``[28, 28]``, 0 = background, 255 = ink (as light as the
            picture, where nothing was looked for in it); None where the picture was not read. Not
            part of `to_dict`.
        labels: names of the model's C classes.
    """

    path: str | None
    digit: int | None
    confidence: float | None
    probabilities: npt.NDArray[np.float32] | None
    error: str | None = None
    image: npt.NDArray[np.uint8] | None = None
    labels: tuple[str, ...] = DIGITS

    @property
    def label(self) -> str | None:
        """Name of the class; None where there is no answer."""
        return None if self.digit is None else self.labels[self.digit]

    def top(self, count: int) -> list[tuple[int, float]]:
        """The `count` most probable digits, or classes, with their probabilities, best first."""
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(int(digit), float(self.probabilities[digit])) for digit in order]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``path``, ``digit``, ``confidence``, ``probabilities``, ``error``.

        And ``label``, where the classes are not the ten digits.
        """
        rounded = (
            None
            if self.probabilities is None
            else [round(float(probability), 6) for probability in self.probabilities]
        )
        return {
            "path": self.path,
            "digit": self.digit,
            "confidence": None if self.confidence is None else round(self.confidence, 6),
            "probabilities": rounded,
            "error": self.error,
            **({} if self.labels == DIGITS else {"label": self.label}),
        }


class DigitClassifier:
    """Tells which digit a picture shows, or which of the classes that its model was trained on.

    >>> DigitClassifier().predict("photo.jpg").digit  # doctest: +SKIP
    7

    Args:
        model: path of an ``.onnx`` file, or name of a bundled model; None = the bundled int8 model.
        threads: that onnxruntime may use within one operator.
        min_confidence: an answer less probable than this is withheld: its `Prediction` has an
            `error`, no `digit`, and still its probabilities. None = what the model file says,
            which was chosen on held-out photographs when it was exported; 0 = always answer.

    Raises:
        ModelError: the model file is missing, damaged, or not one of ours.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        threads: int = 1,
        min_confidence: float | None = None,
    ) -> None:
        self.model = Model.load(model, threads)
        self.min_confidence = (
            self.model.min_confidence if min_confidence is None else min_confidence
        )
        is_plain = self.model.preprocessing is Preprocessing.PLAIN
        self._prepare = prepare_plain if is_plain else prepare
        self._prepare_all = prepare_all_plain if is_plain else prepare_all

    def predict(self, source: ImageSource) -> Prediction:
        """Answers one picture.

        Args:
            source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).

        Raises:
            ImageReadError: it cannot be opened or decoded.
            NoDigitError: nothing in it stands out from the background.
        """
        image = self._prepare(source)
        (answer,) = self._answers([image])
        return self._told(describe(source), image, *answer)

    def stream(self, sources: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Answers any number of pictures, in order, in bounded memory.

        A picture that cannot be answered yields a `Prediction` with its `error`; none is skipped.
        """
        pending = iter(sources)
        while batch := list(itertools.islice(pending, _BATCH)):
            yield from self.answer(batch, [describe(source) for source in batch])

    def answer(
        self, sources: Sequence[ImageSource], names: Sequence[str | None]
    ) -> list[Prediction]:
        """Answers several pictures at once, each under a name of its own."""
        prepared = self._prepare_all(sources, names)
        images = [image for image in prepared if not isinstance(image, ImageError)]
        answers = iter(self._answers(images) if images else ())
        return [
            self.unread(name, str(image))
            if isinstance(image, ImageError)
            else self._told(name, image, *next(answers))
            for name, image in zip(names, prepared, strict=True)
        ]

    def unread(self, name: str | None, error: str) -> Prediction:
        """The answer to a picture that could not be read."""
        return Prediction(name, None, None, None, error, labels=self.model.labels)

    def _answers(self, images: list[Grey]) -> Iterator[tuple[npt.NDArray[np.float32], int, float]]:
        """Probabilities, digit and confidence of each."""
        probabilities = self.model.run(np.stack(images))
        digits = probabilities.argmax(axis=1)
        confidences = probabilities[np.arange(len(digits)), digits]
        return zip(probabilities, digits.tolist(), confidences.tolist(), strict=True)

    def _told(
        self,
        path: str | None,
        image: Grey,
        probabilities: npt.NDArray[np.float32],
        digit: int,
        confidence: float,
    ) -> Prediction:
        labels = self.model.labels
        if confidence < self.min_confidence:
            error = (
                f"{path or 'image'}: unsure; {labels[digit]} has a confidence of {confidence:.3f}, "
                f"below the minimum of {self.min_confidence:g}"
            )
            return Prediction(path, None, confidence, probabilities, error, image, labels)
        return Prediction(path, digit, confidence, probabilities, None, image, labels)
