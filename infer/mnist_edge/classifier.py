"""Pictures -> predictions, for one picture, several, or a stream of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageError
from mnist_edge.inputs.decode import decode_all, source_name
from mnist_edge.model import Model
from mnist_edge.preprocess.mnist_form import is_mnist_form
from mnist_edge.preprocess.preprocessor import NumberOn, preprocess, preprocess_one
from mnist_edge.types import DIGITS, SIDE, GrayImage, ImageSource, Pixels, Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.preprocess.neighbors import DigitRow

__all__ = ["DigitClassifier", "Prediction"]

_BATCH = 32
"""Pictures of a stream that are decoded before the network sees them: few, so that results flow."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The class of one picture, or why there is none.

    Attributes:
        path: where the picture came from, where it has a path.
        digit: index of the class, 0 to C - 1: for digits, the digit itself. None where the picture
            could not be read, or the prediction was rejected.
        confidence: probability of the most probable class, 0..1; None where the picture was not
            read.
        probabilities: float32 ``[C]``, sums to 1; None where the picture was not read.
        error: one line; None where there is a prediction.
        image: what the network saw, uint8 ``[28, 28]``, 0 = background and 255 = ink (for a model
            of other classes: 0 = black, 255 = white); None where the picture was not read. Not
            part of `to_dict`.
        labels: names of the model's C classes.
    """

    path: str | None
    digit: int | None
    confidence: float | None
    # Left out of the repr, which fits a line.
    probabilities: npt.NDArray[np.float32] | None = field(repr=False)
    error: str | None = None
    image: GrayImage | None = field(default=None, repr=False)
    labels: tuple[str, ...] = field(default=DIGITS, repr=False)

    @property
    def label(self) -> str | None:
        """Name of the class; None where there is no prediction."""
        return None if self.digit is None else self.labels[self.digit]

    def top(self, count: int) -> list[tuple[int, float]]:
        """The `count` most probable classes with their probabilities, best first."""
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(int(digit), float(self.probabilities[digit])) for digit in order]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``path``, ``digit``, ``confidence``, ``probabilities``, ``error``.

        With ``label`` too, where the classes are not the ten digits.
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
    """Predicts which digit a picture shows, or which of the classes that its model was trained on.

    It can be shared between threads. It can be copied and pickled, with its model, to be sent to
    other processes, and it can be used in a forked process.

    >>> DigitClassifier().predict("photo.jpg").digit  # doctest: +SKIP
    7

    Args:
        model: path of an ``.onnx`` file, or name of a bundled model; None = the bundled int8 model.
        threads: that onnxruntime may use within one operator.
        min_confidence: rejection threshold, 0..1: a less confident prediction has an `error`, no
            `digit`, and still its probabilities. None = the model's threshold, which was chosen on
            held-out photographs when it was exported; 0 = reject nothing.

    Raises:
        ModelError: the model file is missing, damaged, or not one that follows the contract.
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

    def predict(self, source: ImageSource) -> Prediction:
        """Predicts one picture. Several go to `stream`, also those of an array ``[N, H, W]``.

        Args:
            source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).

        Raises:
            ImageReadError: it cannot be opened or decoded.
            NoDigitError: nothing in it stands out from the background.
            SeveralDigitsError: it certainly shows a number, which `NumberReader` reads.
            ModelError: the model does not give probabilities for it.
        """
        name = source_name(source)
        image = preprocess_one(source, name, self.model.preprocessing, self._number_on)
        return self.predict_preprocessed([image], [name])[0]

    def stream(self, sources: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Predicts any number of pictures, in order, in bounded memory.

        A picture that cannot be read yields a `Prediction` with its `error`; none is skipped.
        """
        pending = iter(sources)
        while batch := list(itertools.islice(pending, _BATCH)):
            yield from self.predict_batch(batch, [source_name(source) for source in batch])

    def predict_batch(
        self, sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
    ) -> list[Prediction]:
        """Predicts several pictures at once; an error takes the place of a picture's prediction.

        Args:
            sources: the pictures; one that could not even be opened is its error.
            names: the `path` of each prediction.
        """
        decoded = decode_all(sources, names)
        images = preprocess(decoded, names, self.model.preprocessing, self._number_on)
        return self.predict_preprocessed(images, names)

    def takes_unchanged(self, image: GrayImage) -> bool:
        """Whether an image, uint8 ``[H, W]``, is the network's input as it is."""
        return (
            image.shape == (SIDE, SIDE)
            and self.model.preprocessing is Preprocessing.DIGIT
            and bool(is_mnist_form(image[np.newaxis])[0])
        )

    def predict_preprocessed(
        self, images: Sequence[GrayImage | ImageError], names: Sequence[str | None]
    ) -> list[Prediction]:
        """Predicts images that are a network's input already, such as a data set's.

        Args:
            images: uint8 ``[28, 28]`` each, as `Model.preprocessing` makes them; an error takes the
                place of the picture it is about.
            names: the `path` of each prediction.

        Raises:
            ModelError: the model does not give probabilities for them.
        """
        readable = [image for image in images if not isinstance(image, ImageError)]
        # For all images at once: a call of numpy is slow.
        probabilities = self.model.run(np.stack(readable)) if readable else np.empty((0, 1))
        digits = probabilities.argmax(axis=1)
        confidences = probabilities[np.arange(len(digits)), digits]
        rows = zip(probabilities, digits.tolist(), confidences.tolist(), strict=True)
        return [
            Prediction(name, None, None, None, str(image), labels=self.model.labels)
            if isinstance(image, ImageError)
            else self._accepted_or_rejected(name, image, *next(rows))
            for image, name in zip(images, names, strict=True)
        ]

    @property
    def _number_on(self) -> NumberOn | None:
        """What looks for a number where there may be one; None for other classes than digits."""
        return _number_on if self.model.labels == DIGITS else None

    def _accepted_or_rejected(
        self,
        name: str | None,
        image: GrayImage,
        probabilities: npt.NDArray[np.float32],
        digit: int,
        confidence: float,
    ) -> Prediction:
        labels = self.model.labels
        if confidence < self.min_confidence:
            error = (
                f"{name or 'image'}: unsure; {labels[digit]} has a confidence of {confidence:.3f}, "
                f"below the minimum of {self.min_confidence:g}"
            )
            return Prediction(name, None, confidence, probabilities, error, image, labels)
        return Prediction(name, digit, confidence, probabilities, None, image, labels)


def _number_on(picture: Pixels, row: DigitRow) -> str | None:
    # Imported, and its networks loaded, for the first picture that may show several digits.
    from mnist_edge.numbers.several import number_on

    return number_on(picture, row)
