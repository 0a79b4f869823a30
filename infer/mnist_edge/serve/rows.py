"""Pictures -> the rows that the command line prints, and whether each picture could be read."""

from __future__ import annotations

import base64
import copy
import functools
import io
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mnist_edge.classifier import DigitClassifier, Prediction
from mnist_edge.errors import ImageReadError, UsageError
from mnist_edge.inputs.decode import decode
from mnist_edge.inputs.png import decode_small_png
from mnist_edge.serve.metrics import Metrics
from mnist_edge.serve.pictures import Picture, check_area
from mnist_edge.serve.queries import PredictQuery, ReadQuery
from mnist_edge.serve.responses import RequestError
from mnist_edge.types import DIGITS

if TYPE_CHECKING:
    from mnist_edge.reader import NumberReader, Reading

__all__ = ["Row", "Rows"]

R = TypeVar("R", Prediction, "Reading")

_BATCH = 8
"""Pictures that are decoded before the network sees them."""


class Row(NamedTuple):
    """What is answered for one picture.

    Attributes:
        content: as on the command line.
        is_picture: it could be decoded.
    """

    content: dict[str, Any]
    is_picture: bool


class Rows:
    """Makes rows; threads may share it.

    Args:
        classifier: that predicts.
        pixels: of a picture at most.
        metrics: that count answers.
    """

    def __init__(self, classifier: DigitClassifier, pixels: int, metrics: Metrics) -> None:
        self.classifier = classifier
        self._pixels, self._metrics = pixels, metrics
        self._lock = threading.Lock()

    def predict(self, query: PredictQuery, pictures: Sequence[Picture]) -> list[Row]:
        """Predicts one digit of each picture."""
        each = self._each(self._classifier_of(query).predict_batch, pictures)
        return self._counted([self._row(query, *pair) for pair in each])

    def predict_at_once(self, query: PredictQuery, picture: Picture) -> list[Row] | None:
        """Predicts a picture that takes less time than handing it to a thread.

        Returns:
            its row; None where it is anything but a small PNG in MNIST's form.
        """
        classifier = self._classifier_of(query)
        image = decode_small_png(picture.content)
        if image is None or image.size > self._pixels or not classifier.takes_unchanged(image):
            return None
        (prediction,) = classifier.predict_preprocessed([image], [picture.name])
        return self._counted([self._row(query, picture, prediction)])

    def _classifier_of(self, query: PredictQuery) -> DigitClassifier:
        if query.min_confidence is None:
            return self.classifier
        classifier = copy.copy(self.classifier)  # of the same session
        classifier.min_confidence = query.min_confidence
        return classifier

    def _row(self, query: PredictQuery, picture: Picture, prediction: Prediction) -> Row:
        row = prediction.to_dict() | _top(prediction, query.top_k)
        if query.preprocessed:
            row["preprocessed"] = _png(prediction)
        return Row(row, prediction.probabilities is not None or self._is_picture(picture))

    def _counted(self, rows: list[Row]) -> list[Row]:
        labels = [row.content["digit"] for row in rows]
        digits = [str(digit) for digit in labels if digit is not None]
        self._metrics.add_answers(digits, len(rows) - len(digits), "predict")
        return rows

    def read(self, query: ReadQuery, pictures: Sequence[Picture]) -> list[Row]:
        """Reads every number of each picture.

        Raises:
            RequestError: the query cannot be understood.
        """
        try:
            reader = self.reader.under(
                length=query.length,
                pattern=query.pattern,
                choices=query.choices,
                min_confidence=query.min_confidence,
                alternatives=query.alternatives,
            )
        except UsageError as error:
            raise RequestError(400, str(error)) from error
        rows = [
            Row(reading.to_dict(), reading.error is None or self._is_picture(picture))
            for picture, reading in self._each(reader.read_batch, pictures)
        ]
        texts = [row.content["text"] for row in rows]
        digits = [symbol for text in texts for symbol in text or "" if symbol in DIGITS]
        self._metrics.add_answers(digits, texts.count(None), "read")
        return rows

    @property
    def reader(self) -> NumberReader:
        """Loaded when the first number is to be read: who serves digits alone need not hold it."""
        with self._lock:
            return self._reader

    @functools.cached_property
    def _reader(self) -> NumberReader:
        from mnist_edge.reader import NumberReader

        return NumberReader(threads=self.classifier.model.threads)

    def _each(
        self, work: Callable[[list[Any], list[str]], list[R]], pictures: Sequence[Picture]
    ) -> list[tuple[Picture, R]]:
        results: list[R] = []
        for start in range(0, len(pictures), _BATCH):
            part = pictures[start : start + _BATCH]
            results += work([self._checked(picture) for picture in part], [p.name for p in part])
        return list(zip(pictures, results, strict=True))

    def _checked(self, picture: Picture) -> bytes | ImageReadError:
        try:
            check_area(picture, self._pixels)
        except ImageReadError as error:
            return error
        return picture.content

    def _is_picture(self, picture: Picture) -> bool:
        """Whether it can be decoded: asked only where there is no answer."""
        try:
            check_area(picture, self._pixels)
            decode(picture.content, picture.name)
        except ImageReadError:
            return False
        return True


def _top(prediction: Prediction, count: int) -> dict[str, Any]:
    if count == 1:
        return {}
    has_names = prediction.labels != DIGITS
    return {
        "top": [
            {
                "digit": digit,
                "probability": round(probability, 6),
                **({"label": prediction.labels[digit]} if has_names else {}),
            }
            for digit, probability in prediction.top(count)
        ]
    }


def _png(prediction: Prediction) -> str | None:
    """What the network saw: a PNG in base64; None where there is nothing."""
    if prediction.image is None:
        return None
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(prediction.image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
