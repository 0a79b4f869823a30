"""Predictions in Spark: a function of columns, made by ``predict_batch_udf``.

Nothing but these functions imports Spark. A job is in ``docs/past-one-machine.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.classifier import DigitClassifier
from mnist_edge.errors import MissingExtraError
from mnist_edge.integrations.batches import picture_and_name

__all__ = ["predict_udf"]

_BATCH = 128
"""Pictures that are decoded before the network sees them."""


def predict_udf(
    model: str | Path | None = None,
    *,
    min_confidence: float | None = None,
    with_names: bool = False,
    batch_size: int = _BATCH,
) -> Any:
    """A function that predicts the digits of a column of pictures.

    A picture that cannot be read has an ``error``, and stops nothing. The network is loaded once in
    each of Spark's Python processes, and uses one thread.

    >>> predict = predict_udf()  # doctest: +SKIP
    >>> scans.select("label", predict("content").alias("said"))  # doctest: +SKIP

    Args:
        model: path of an ``.onnx`` file, which must be there on every machine, or name of a bundled
            model; None = the bundled int8 model.
        min_confidence: rejection threshold, 0..1; None = the model's.
        with_names: the function has a second column: names of the pictures, for errors to say.
        batch_size: pictures that are predicted at once.

    Returns:
        a function of a column of pictures, which are binary, or names or URLs as strings. It gives
        a struct of ``digit`` (int), ``confidence`` (float), ``probabilities`` (array of float) and
        ``error`` (string).

    Raises:
        MissingExtraError: pyspark is not installed.
    """
    try:
        from pyspark.ml.functions import predict_batch_udf
        from pyspark.sql import types
    except ImportError as error:
        raise MissingExtraError(
            "mnist_edge.integrations.spark: needs pyspark, pandas and pyarrow; install them: pip "
            "install pyspark pandas 'mnist-edge[arrow]'"
        ) from error
    result = types.StructType(
        [
            types.StructField("digit", types.IntegerType()),
            types.StructField("confidence", types.FloatType()),
            types.StructField("probabilities", types.ArrayType(types.FloatType())),
            types.StructField("error", types.StringType()),
        ]
    )
    # Spark calls what this makes with as many columns as it has arguments.
    make: Any = lambda: _predictor(model, min_confidence, with_names)  # noqa: E731
    return predict_batch_udf(make, return_type=result, batch_size=batch_size)


def _predictor(
    model: str | Path | None, min_confidence: float | None, with_names: bool
) -> Callable[..., dict[str, Any]]:
    """What Spark calls in each of its processes, with columns of a batch."""
    classifier = DigitClassifier(model, min_confidence=min_confidence)

    def predict_named(pictures: Sequence[Any], names: Sequence[Any]) -> dict[str, Any]:
        pairs = [picture_and_name(*pair) for pair in zip(pictures, names, strict=True)]
        results = classifier.predict_batch(
            [source for source, _ in pairs], [name for _, name in pairs]
        )
        return {
            "digit": _column([result.digit for result in results]),
            "confidence": _column([result.confidence for result in results]),
            "probabilities": _Lists([result.probabilities for result in results]),
            "error": _column([result.error for result in results]),
        }

    def predict(pictures: Sequence[Any]) -> dict[str, Any]:
        return predict_named(pictures, [None] * len(pictures))

    return predict_named if with_names else predict


def _column(values: Sequence[object]) -> npt.NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = values
    return column


class _Lists(list[Any]):
    """Lists, some of them None, which Spark takes where it asks for an array ``[N, C]``."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), -1
