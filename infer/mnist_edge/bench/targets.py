"""Bench targets: any classifier of 28 x 28 pictures in an ONNX file, and how it is fed.

A network of somebody else states its input's shape, and not what a pixel means to it. That is found
by trying: with the scaling that it was trained with, a network recognizes most digits and has the
smallest loss. The loss decides where the accuracies differ by chance only: a network may recognize
one digit more than with its own scaling, and be far too confident in the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ModelError, UsageError
from mnist_edge.mnist import Bytes
from mnist_edge.model import INPUT, OUTPUT, Model, load_session
from mnist_edge.runtime import CPU_PROVIDER, onnxruntime
from mnist_edge.types import DIGITS

__all__ = ["CPU_PROVIDER", "BenchTarget", "TargetSpec", "check_provider"]

_BATCH = 500
_TRIED = 500
"""Digits that every scaling is tried on."""

_LEAST_ACCURACY = 0.5
"""Accuracy that some scaling must exceed, or the model is not a digit classifier."""

_LAYOUTS = {(1, 28, 28): "NCHW", (28, 28, 1): "NHWC", (28, 28): "NHW", (28 * 28,): "flat"}
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}

Levels = npt.NDArray[np.generic]
Feed = dict[str, npt.NDArray[np.generic]]


def _with_inverted(levels: Mapping[str, Levels]) -> dict[str, Levels]:
    return {**levels, **{f"inverted {name}": table[::-1] for name, table in levels.items()}}


_BYTES = np.arange(256, dtype=np.uint8)
_UNIT = _BYTES / 255
_FLOAT_SCALINGS = _with_inverted(
    {
        "float 0..1": _UNIT,
        "float 0..255": _BYTES,
        "float -1..1": 2 * _UNIT - 1,
        # MNIST's mean and standard deviation, as in torchvision's examples.
        "mean 0.1307 std 0.3081": (_UNIT - 0.1307) / 0.3081,
    }
)
_BYTE_SCALINGS = _with_inverted({"uint8 0..255": _BYTES})
"""What a network may be fed for each of the 256 levels of a pixel; the most usual first."""


class TargetSpec(NamedTuple):
    """Which model to measure, and how it is run.

    Attributes:
        name: a bundled model's name, or the path of an ONNX file.
        threads: within one operator.
        provider: onnxruntime's execution provider.
    """

    name: str
    threads: int = 1
    provider: str = CPU_PROVIDER


@dataclass(frozen=True, eq=False)
class BenchTarget:
    """A loaded model, and how pictures get into it.

    Attributes:
        name: the path, or the name of the bundled model, that it was loaded by.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        content: the file's bytes.
        session: configured by `mnist_edge.runtime.create_session`.
        batch: pictures that one call takes; None = any number.
        scaling: what a pixel is to it, in words: ``"uint8 0..255"``, ``"float 0..1"``,
            ``"inverted float -1..1"``, ...; ends in ``", assumed"`` where it could not be found.
        layout: ``"NCHW"``, ``"NHWC"``, ``"NHW"`` or ``"flat"``.
        output: name of the output with the scores.
        classes: number of scores for a picture.
        levels: ``[256]``, in the input's dtype: what it is fed for each level of a pixel.
    """

    name: str
    threads: int
    provider: str
    content: bytes
    session: onnxruntime.InferenceSession
    batch: int | None
    scaling: str
    layout: str
    output: str
    classes: int
    levels: Levels

    @classmethod
    def load(
        cls,
        name: str,
        threads: int = 1,
        provider: str = CPU_PROVIDER,
        digits: tuple[Bytes, Bytes] | None = None,
    ) -> BenchTarget:
        """Opens a model, ours or not, and finds out how it is fed.

        Args:
            name: a bundled model's name, or the path of an ONNX file with one input, uint8 or
                float: ``[N, 1, 28, 28]``, ``[N, 28, 28, 1]``, ``[N, 28, 28]`` or ``[N, 784]``,
                for a fixed N or any; its scores are the first float output ``[N, C]``, C >= 2.
            threads: within one operator, 1 or more.
            provider: one of ``onnxruntime.get_available_providers()``.
            digits: images uint8 ``[M, 28, 28]``, light ink on dark, and labels uint8 ``[M]``. The
                first 500 find the scaling of a foreign model. Without them, or where its classes
                are not the ten digits, the most usual scaling is assumed.

        Raises:
            UsageError: a number of threads below 1, or a provider that is not available.
            ModelError: the model cannot be loaded, takes no 28 x 28 picture, gives no scores, or
                recognizes no more than half of the digits with every known scaling.
        """
        if threads < 1:
            raise UsageError(f"{threads} threads: there must be 1 at least")
        check_provider(provider)
        content, session = load_session(name, threads, provider)
        if provider not in session.get_providers():
            # onnxruntime itself only warns, and measures the processor under the other's name.
            raise UsageError(
                f"{provider}: is built in and did not start on this machine; install what it needs"
            )
        kind, batch, shape = _picture_input(session, name)
        scalings = _BYTE_SCALINGS if kind is np.uint8 else _FLOAT_SCALINGS
        usual, levels = next(iter(scalings.items()))
        output, classes = _scores_output(session, np.zeros((batch or 1, *shape), kind), name)
        target = cls(
            name=name,
            threads=threads,
            provider=provider,
            content=content,
            session=session,
            batch=batch,
            scaling=f"{usual}, assumed",
            layout=_LAYOUTS[shape],
            output=output,
            classes=classes,
            levels=levels.astype(kind),
        )
        if _has_our_signature(session):
            return replace(target, scaling=usual)
        if digits is None or not target.has_digit_classes:
            return target
        candidates = [
            replace(target, scaling=scaling, levels=levels.astype(kind))
            for scaling, levels in scalings.items()
        ]
        return _best_scaled(candidates, digits[0][:_TRIED], digits[1][:_TRIED])

    @property
    def has_digit_classes(self) -> bool:
        """Whether its classes are the ten digits, as far as the file says."""
        digits = ",".join(DIGITS)
        labels = self.session.get_modelmeta().custom_metadata_map.get("labels", digits)
        return bool(labels == digits and self.classes == len(DIGITS))

    @cached_property
    def runs_in_classifier(self) -> bool:
        """Whether `DigitClassifier` can load it."""
        try:
            Model.from_bytes(self.content, self.name)
        except ModelError:
            return False
        return True

    def feed(self, images: Bytes) -> Feed:
        """The input of one call.

        Args:
            images: uint8 ``[N, 28, 28]``; N is `batch`, where that is fixed.
        """
        node = self.session.get_inputs()[0]
        return {node.name: self.levels[images].reshape(len(images), *node.shape[1:])}

    def run(self, feed: Feed) -> npt.NDArray[np.float32]:
        """Runs the network once.

        Returns:
            scores ``[N, C]``, logits or probabilities; the highest is the prediction.

        Raises:
            ModelError: onnxruntime failed.
        """
        try:
            scores = self.session.run([self.output], feed)[0]
        except Exception as error:  # onnxruntime's errors derive from Exception directly
            raise _failed(self.name, error) from error
        return np.asarray(scores, dtype=np.float32)

    def scores(self, images: Bytes) -> npt.NDArray[np.float32]:
        """Scores ``[N, C]`` of any number of pictures, uint8 ``[N, 28, 28]``.

        Raises:
            ModelError: onnxruntime failed.
        """
        size = self.batch or min(_BATCH, len(images))
        # The last batch is filled up with pictures whose scores are dropped.
        filled = np.resize(images, (-(-len(images) // size), size, 28, 28))
        return np.concatenate([self.run(self.feed(batch)) for batch in filled])[: len(images)]

    def accuracy(self, images: Bytes, labels: Bytes) -> float:
        """Top-1 accuracy on uint8 ``[N, 28, 28]`` with labels ``[N]``, as a fraction.

        Raises:
            ModelError: onnxruntime failed.
        """
        return float((self.scores(images).argmax(axis=1) == labels).mean())


def check_provider(provider: str) -> None:
    """Checks that this onnxruntime has an execution provider of that name.

    Raises:
        UsageError: it has not; the message lists those that it has.
    """
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise UsageError(
            f"{provider}: this onnxruntime has no such execution provider; there are: "
            f"{', '.join(available)}"
        )


def _picture_input(
    session: onnxruntime.InferenceSession, name: str
) -> tuple[type[np.generic], int | None, tuple[int, ...]]:
    """The input's dtype, its batch (None = any), and a picture's shape."""
    inputs = session.get_inputs()
    if len(inputs) == 1 and inputs[0].type in _DTYPES and inputs[0].shape:
        batch, *shape = inputs[0].shape
        fixed = batch if isinstance(batch, int) else None
        if tuple(shape) in _LAYOUTS and fixed != 0:
            return _DTYPES[inputs[0].type], fixed, tuple(shape)
    actual = ", ".join(f"{node.name}: {node.type} {node.shape}" for node in inputs)
    raise ModelError(
        f"{name}: cannot be compared; it must take 28 x 28 pictures of one channel, as uint8 or "
        f"float, and takes {actual or 'nothing'}"
    )


def _scores_output(
    session: onnxruntime.InferenceSession, blank: npt.NDArray[np.generic], name: str
) -> tuple[str, int]:
    """The first output ``[N, C]`` of floats, and C. It is run: a file may state no shapes."""
    try:
        results = session.run(None, {session.get_inputs()[0].name: blank})
    except Exception as error:  # onnxruntime's errors derive from Exception directly
        raise _failed(name, error) from error
    arrays = [np.asarray(result) for result in results]
    for node, array in zip(session.get_outputs(), arrays, strict=True):
        fits = array.ndim == 2 and len(array) == len(blank) and array.shape[1] >= 2
        if fits and array.dtype.kind == "f":
            return node.name, array.shape[1]
    actual = ", ".join(
        f"{node.name}: {node.type} {list(array.shape)}"
        for node, array in zip(session.get_outputs(), arrays, strict=True)
    )
    raise ModelError(
        f"{name}: cannot be compared; it must give [batch, classes] of floats, two classes at "
        f"least, and gives {actual}"
    )


def _has_our_signature(session: onnxruntime.InferenceSession) -> bool:
    """Whether its input and output are those of our models, whose scaling is known."""
    inputs = [(node.name, node.type, node.shape[1:]) for node in session.get_inputs()]
    return inputs == [(INPUT, "tensor(uint8)", [1, 28, 28])] and OUTPUT in (
        node.name for node in session.get_outputs()
    )


def _best_scaled(candidates: list[BenchTarget], images: Bytes, labels: Bytes) -> BenchTarget:
    """The scaling of the smallest loss among those whose accuracy is best, or so by chance."""
    scores = [candidate.scores(images) for candidate in candidates]
    right = np.array([array.argmax(axis=1) == labels for array in scores])
    best = right[right.sum(axis=1).argmax()]
    if best.mean() <= _LEAST_ACCURACY:
        raise ModelError(
            f"{candidates[0].name}: cannot be compared; with every scaling of its input, it "
            f"recognizes {best.mean():.0%} of the digits at most; is it a classifier of digits?"
        )
    # Two standard deviations of the sign test, on the digits that only one of the two recognizes.
    more, fewer = (best & ~right).sum(axis=1), (right & ~best).sum(axis=1)
    by_chance = more - fewer <= 2 * np.sqrt(more + fewer)
    losses = [_log_loss(array, labels) for array in scores]
    return candidates[int(np.nanargmin(np.where(by_chance, losses, np.inf)))]


def _log_loss(scores: npt.NDArray[np.float32], labels: Bytes) -> float:
    """Mean cross entropy of probabilities or logits ``[N, C]`` with the labels ``[N]``."""
    logits = scores.astype(np.float64)
    if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=1e-2):
        logits = np.log(np.maximum(logits, 1e-30))
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.mean())


def _failed(name: str, error: Exception) -> ModelError:
    return ModelError(f"{name}: onnxruntime failed ({str(error).splitlines()[0]})")
