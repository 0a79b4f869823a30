"""What is measured: any classifier of 28 x 28 pictures in an ONNX file, and how it is fed.

Other people's networks say their input's shape and not what a pixel means to them. That is found
by trying: under the scaling that it was trained with, a network tells most digits, and is least
surprised by their labels. The second decides where the first leaves it to chance: a network may
tell one digit more than under its own scaling, and be far too sure of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnxruntime

from mnist_edge.errors import ModelError, UsageError
from mnist_edge.mnist import Bytes
from mnist_edge.model import INPUT, OUTPUT, load_session
from mnist_edge.types import DIGITS

__all__ = ["Subject", "check_provider"]

_BATCH = 500
_TRIED = 500
"""Digits that every scaling is tried on."""
_LEAST_ACCURACY = 0.5
"""What tells no more of them, in any scaling, is no classifier of digits that can be fed."""

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
        # MNIST's own, which torchvision's examples subtract and divide by.
        "mean 0.1307 std 0.3081": (_UNIT - 0.1307) / 0.3081,
    }
)
_BYTE_SCALINGS = _with_inverted({"uint8 0..255": _BYTES})
"""What a network may be fed for each of the 256 levels of a pixel; the most usual first."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model under test, and how pictures get into it.

    Attributes:
        name: the path, or the name of the bundled model, that it was loaded by.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        content: the file's bytes.
        session: configured by `mnist_edge.model.create_session`.
        batch: pictures that one call takes; None = any number.
        scaling: what a pixel is to it, in words: ``"uint8 0..255"``, ``"float 0..1"``,
            ``"inverted float -1..1"``, ...; ends in ``", assumed"`` where nothing told.
        layout: ``"NCHW"``, ``"NHWC"``, ``"NHW"`` or ``"flat"``.
        output: name of the output with the scores.
        classes: how many scores there are for a picture.
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
        provider: str = "CPUExecutionProvider",
        digits: tuple[Bytes, Bytes] | None = None,
    ) -> Subject:
        """Opens a model, ours or not, and finds out how it is fed.

        Args:
            name: a bundled model's name, or the path of an ONNX file with one input, uint8 or
                float: ``[N, 1, 28, 28]``, ``[N, 28, 28, 1]``, ``[N, 28, 28]`` or ``[N, 784]``,
                for a fixed N or any; its scores are the first float output ``[N, C]``, C >= 2.
            threads: within one operator, 1 at least.
            provider: one of ``onnxruntime.get_available_providers()``.
            digits: images uint8 ``[M, 28, 28]``, light ink on dark, and labels uint8 ``[M]``. The
                first 500 find the scaling of a foreign model. Without them, or where its classes
                are not the ten digits, the most usual one is assumed. Ours say theirs.

        Raises:
            UsageError: a number of threads below 1, or a provider that is not there.
            ModelError: the model cannot be loaded, takes no 28 x 28 picture, gives no scores, or
                tells no more than half of the digits in every known scaling.
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
        subject = cls(
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
        if _is_ours(session):
            return replace(subject, scaling=usual)
        if digits is None or not subject.tells_digits:
            return subject
        images, labels = (part[:_TRIED] for part in digits)
        return _best_scaled(
            [
                replace(subject, scaling=scaling, levels=levels.astype(kind))
                for scaling, levels in scalings.items()
            ],
            images,
            labels,
        )

    @property
    def tells_digits(self) -> bool:
        """Whether its classes are the ten digits, as far as it says."""
        digits = ",".join(DIGITS)
        stated = self.session.get_modelmeta().custom_metadata_map.get("labels", digits)
        return bool(stated == digits and self.classes == len(DIGITS))

    def feed(self, images: Bytes) -> Feed:
        """uint8 ``[N, 28, 28]`` as this model takes it; N is `batch`, where that is fixed."""
        node = self.session.get_inputs()[0]
        return {node.name: self.levels[images].reshape(len(images), *node.shape[1:])}

    def run(self, feed: Feed) -> npt.NDArray[np.float32]:
        """Scores ``[N, C]``: logits, probabilities, whatever they are; the highest is the answer.

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
        # The last batch is filled up with pictures that are not answered for.
        filled = np.resize(images, (-(-len(images) // size), size, 28, 28))
        return np.concatenate([self.run(self.feed(batch)) for batch in filled])[: len(images)]

    def accuracy(self, images: Bytes, labels: Bytes) -> float:
        """Fraction of uint8 ``[N, 28, 28]`` whose highest score is that of its label ``[N]``.

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
    found = ", ".join(f"{node.name}: {node.type} {node.shape}" for node in inputs)
    raise ModelError(
        f"{name}: cannot be compared; it must take 28 x 28 pictures of one channel, as uint8 or "
        f"float, and takes {found or 'nothing'}"
    )


def _scores_output(
    session: onnxruntime.InferenceSession, blank: npt.NDArray[np.generic], name: str
) -> tuple[str, int]:
    """The first output ``[N, C]`` of floats, and C. Shapes that a file states may be unknown."""
    try:
        results = session.run(None, {session.get_inputs()[0].name: blank})
    except Exception as error:  # onnxruntime's errors derive from Exception directly
        raise _failed(name, error) from error
    arrays = [np.asarray(result) for result in results]
    for node, array in zip(session.get_outputs(), arrays, strict=True):
        fits = array.ndim == 2 and len(array) == len(blank) and array.shape[1] >= 2
        if fits and array.dtype.kind == "f":
            return node.name, array.shape[1]
    found = ", ".join(
        f"{node.name}: {node.type} {list(array.shape)}"
        for node, array in zip(session.get_outputs(), arrays, strict=True)
    )
    raise ModelError(
        f"{name}: cannot be compared; it must give [batch, classes] of floats, two classes at "
        f"least, and gives {found}"
    )


def _is_ours(session: onnxruntime.InferenceSession) -> bool:
    inputs = [(node.name, node.type, node.shape[1:]) for node in session.get_inputs()]
    return inputs == [(INPUT, "tensor(uint8)", [1, 28, 28])] and OUTPUT in (
        node.name for node in session.get_outputs()
    )


def _best_scaled(candidates: list[Subject], images: Bytes, labels: Bytes) -> Subject:
    scores = [subject.scores(images) for subject in candidates]
    right = np.array([own.argmax(axis=1) == labels for own in scores])
    best = right[right.sum(axis=1).argmax()]
    if best.mean() <= _LEAST_ACCURACY:
        raise ModelError(
            f"{candidates[0].name}: cannot be compared; however its input is scaled, it tells "
            f"{best.mean():.0%} of the digits at most; is it a classifier of digits?"
        )
    # Two standard deviations of the sign test: what only one of the two tells falls to either.
    more, fewer = (best & ~right).sum(axis=1), (right & ~best).sum(axis=1)
    by_chance = more - fewer <= 2 * np.sqrt(more + fewer)
    losses = [_log_loss(own, labels) for own in scores]
    return candidates[int(np.nanargmin(np.where(by_chance, losses, np.inf)))]


def _log_loss(scores: npt.NDArray[np.float32], labels: Bytes) -> float:
    """Mean surprise at the labels ``[N]``, of probabilities or of logits ``[N, C]``."""
    logits = scores.astype(np.float64)
    if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=1e-2):
        logits = np.log(np.maximum(logits, 1e-30))
    logits -= logits.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(surprise.mean())


def _failed(name: str, error: Exception) -> ModelError:
    return ModelError(f"{name}: onnxruntime failed ({str(error).splitlines()[0]})")
