"""Predictions in Ray Data: classes for ``Dataset.map_batches``.

Neither imports Ray, which makes its actors of them. A job is in ``docs/past-one-machine.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mnist_edge.classifier import DigitClassifier
from mnist_edge.integrations.batches import TablePredictor
from mnist_edge.outputs.arrow_rows import PredictionRows, ReadingRows
from mnist_edge.reader import NumberReader

__all__ = ["Predict", "Read"]


class Predict:
    """Predicts the digit of each picture of a batch.

    A picture that cannot be read has an ``error`` in its row, and stops nothing. The network is
    loaded once in each actor, and uses one thread: Ray spreads the actors over the cores.

    >>> pictures.map_batches(Predict, batch_format="pyarrow", concurrency=8)  # doctest: +SKIP

    Args:
        model: path of an ``.onnx`` file, or name of a bundled model; None = the bundled int8 model.
        column: that has the pictures: bytes of files, ``{bytes, path}``, arrays ``[H, W]`` or
            ``[H, W, 3]``, or names or URLs of files; None = it is found by its name and type.
        min_confidence: rejection threshold, 0..1; None = the model's.
        top_k: classes to list for each picture; above 1 adds a column ``top``.
        keep_pictures: keep the column of the pictures.

    Raises:
        ModelError: the model cannot be used.
        MissingExtraError: pyarrow is not installed.
        UsageError: the model has fewer classes than are to be listed.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        column: str | None = None,
        min_confidence: float | None = None,
        top_k: int = 1,
        keep_pictures: bool = False,
    ) -> None:
        classifier = DigitClassifier(model, min_confidence=min_confidence)
        self._predict = TablePredictor(
            classifier.predict_batch,
            PredictionRows(top_k, classifier.model.labels),
            column,
            keep_pictures=keep_pictures,
        )

    def __call__(self, batch: Any) -> Any:
        """Predicts a batch: a `pyarrow.Table`, or a dict of NumPy arrays.

        Returns:
            `pyarrow.Table`: ``path`` (string), ``digit`` (int16), ``confidence`` (float32),
            ``probabilities`` (list of float32), ``error`` (string), and the batch's other columns.

        Raises:
            UsageError: it has no column of pictures.
        """
        return self._predict(batch)


class Read:
    """Reads the numbers of each picture of a batch; otherwise as `Predict`.

    Args:
        column: that has the pictures; None = it is found by its name and type.
        keep_pictures: keep the column of the pictures.
        **options: of `mnist_edge.NumberReader`.

    Raises:
        ModelError: a model cannot be used.
        MissingExtraError: pyarrow is not installed.
        UsageError: an option cannot be understood.
    """

    def __init__(
        self, *, column: str | None = None, keep_pictures: bool = False, **options: Any
    ) -> None:
        reader = NumberReader(**options)
        self._read = TablePredictor(
            reader.read_batch, ReadingRows(), column, keep_pictures=keep_pictures
        )

    def __call__(self, batch: Any) -> Any:
        """Reads a batch: a `pyarrow.Table`, or a dict of NumPy arrays.

        Returns:
            `pyarrow.Table`: ``path``, ``text``, ``confidence``, ``numbers``, ``error``, and the
            batch's other columns.

        Raises:
            UsageError: it has no column of pictures.
        """
        return self._read(batch)
