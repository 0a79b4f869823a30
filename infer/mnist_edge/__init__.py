"""mnist-edge: handwritten digit recognition on a low-power device.

>>> from mnist_edge import DigitClassifier
>>> DigitClassifier().predict("photo.jpg").digit  # doctest: +SKIP
7
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mnist_edge.errors import (
    DatasetError,
    ExportError,
    GateError,
    ImageError,
    ImageReadError,
    MissingExtraError,
    MnistEdgeError,
    ModelError,
    NoDigitError,
    OutputError,
    SeveralDigitsError,
    TrainingError,
    UsageError,
)

if TYPE_CHECKING:
    from mnist_edge.classifier import DigitClassifier, Prediction
    from mnist_edge.reader import (
        Alternative,
        Number,
        NumberReader,
        ReadDigit,
        Reading,
        Separator,
    )

__all__ = [
    "Alternative",
    "DatasetError",
    "DigitClassifier",
    "ExportError",
    "GateError",
    "ImageError",
    "ImageReadError",
    "MissingExtraError",
    "MnistEdgeError",
    "ModelError",
    "NoDigitError",
    "Number",
    "NumberReader",
    "OutputError",
    "Prediction",
    "ReadDigit",
    "Reading",
    "Separator",
    "SeveralDigitsError",
    "TrainingError",
    "UsageError",
    "__version__",
]

# From version 1.29 on, onnxruntime reports its use to its vendor, and writes a device id into the
# user's cache folder. The variable that stops this is read when `mnist_edge.runtime` imports it. A
# user who wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.7.0"


def __getattr__(name: str) -> Any:
    # onnxruntime is imported with the first use of the classifier, so that `mnist-edge --version`
    # and `--help` answer at once.
    if name in ("DigitClassifier", "Prediction"):
        from mnist_edge import classifier

        return getattr(classifier, name)
    if name in ("Alternative", "Number", "NumberReader", "ReadDigit", "Reading", "Separator"):
        from mnist_edge import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
