"""An ONNX file -> a checked, configured onnxruntime session and the metadata in the file."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.bundled import DEFAULT_MODEL, bundled_models, is_released, read_model
from mnist_edge.errors import ModelError, one_line
from mnist_edge.onnx_file import check_structure
from mnist_edge.runtime import (
    CPU_PROVIDER,
    MEMORY_LIMIT,
    call_within,
    create_session,
    onnxruntime,
)
from mnist_edge.types import SIDE, Preprocessing

__all__ = [
    "DEFAULT_MODEL",
    "INPUT",
    "OUTPUT",
    "Model",
    "bundled_models",
    "create_session",
    "load_session",
    "stated_threshold",
]

INPUT, OUTPUT = "image", "probabilities"

Probabilities = npt.NDArray[np.float32]
"""float32 ``[N, C]``; each row sums to 1."""

_BATCH = 128

_LISTED = 8
"""Inputs or outputs that an error message lists."""

_SECONDS = 10
"""That a model which is not ours may take to be loaded, and to run on one image."""

_TOLERANCE = 1e-3
"""By which the sum of a picture's probabilities may differ from 1."""


def load_session(
    name: str, threads: int = 1, provider: str = CPU_PROVIDER
) -> tuple[bytes, onnxruntime.InferenceSession]:
    """Reads any ONNX file, or a bundled model by its name, whose checksum is checked.

    Its memory is not limited.

    Returns:
        the file's bytes, and a session.

    Raises:
        ModelError: missing, not ONNX, truncated; it holds subgraphs, functions or external data; or
            a bundled file is not the released bytes.
    """
    content = read_model(name)
    check_structure(content, name)
    try:
        return content, create_session(content, threads, provider)
    except Exception as error:  # onnxruntime's errors derive from Exception directly
        raise _not_loaded(name) from error


@dataclass(frozen=True, eq=False)
class Model:
    """A model file that follows the contract, ready to run.

    It may be shared between threads, copied, pickled, and used in a forked child process, which
    opens a session of its own.

    Attributes:
        name: the path, or the name of the bundled model, that it was loaded by.
        content: the file's bytes.
        session: configured by `create_session`.
        threads: that the session uses within one operator.
        metadata: ``metadata_props`` of the file: name, version, accuracy, recipe, licence, ...
        labels: names of the C classes, all different, none empty; ``"0"``, ``"1"``, ... where the
            file has none.
        preprocessing: how a picture becomes what the network was trained to see.
    """

    name: str
    content: bytes
    session: onnxruntime.InferenceSession
    threads: int
    metadata: dict[str, str]
    labels: tuple[str, ...]
    preprocessing: Preprocessing

    @classmethod
    def load(cls, source: str | Path | None = None, threads: int = 1) -> Model:
        """Opens a model and checks that it is one of ours.

        Args:
            source: path of an ``.onnx`` file or name of a bundled model; None = the default one.
            threads: within one operator.

        Raises:
            ModelError: missing, not ONNX, truncated, not of the contract's inputs, outputs and
                labels, made for a newer version, needs too much memory or time, or, for a bundled
                model, not the released bytes.
        """
        name = str(source) if source is not None else DEFAULT_MODEL
        return cls.from_bytes(read_model(name), name, threads)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, threads: int = 1) -> Model:
        """Like `load`, from a file's bytes; `name` stands for the file in error messages."""
        if is_released(content):
            return cls._open(content, name, threads, is_trusted=True)
        check_structure(content, name)

        def tried(options: onnxruntime.RunOptions) -> Model:
            model = cls._open(content, name, threads, is_trusted=False)
            model._probabilities(np.zeros((1, SIDE, SIDE), np.uint8), options)
            return model

        try:
            return call_within(_SECONDS, tried)
        except TimeoutError as error:
            raise ModelError(f"{name}: takes more than {_SECONDS} seconds for one image") from error

    @classmethod
    def _open(cls, content: bytes, name: str, threads: int, *, is_trusted: bool) -> Model:
        try:
            session = create_session(content, threads, bounded=not is_trusted)
            inputs = [_Node(node.name, node.type, node.shape) for node in session.get_inputs()]
            outputs = [_Node(node.name, node.type, node.shape) for node in session.get_outputs()]
            metadata = dict(session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # onnxruntime's errors derive from Exception directly
            raise _not_loaded(name) from error
        classes = _check_contract(inputs, outputs, name)
        labels = _labels(metadata.get("labels"), classes, name)
        preprocessing = _preprocessing(metadata.get("preprocessing", ""), name)
        return cls(name, content, session, threads, metadata, labels, preprocessing)

    def __post_init__(self) -> None:
        _models.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.content, self.name, self.threads)

    def open_session(self, profile: str | None = None) -> onnxruntime.InferenceSession:
        """Opens another session like `session`; with a profile, if its file's name is given."""
        bounded = not is_released(self.content)
        return create_session(self.content, self.threads, profile=profile, bounded=bounded)

    def run(self, images: npt.NDArray[np.uint8]) -> Probabilities:
        """Classifies any number of images, at most 128 at a time.

        Args:
            images: uint8 ``[N, 28, 28]``, as `preprocessing` makes them.

        Returns:
            probabilities float32 ``[N, C]``, one for each of `labels`; each row sums to 1.

        Raises:
            ModelError: onnxruntime failed, or the results are not probabilities.
        """
        batches = np.split(images, range(_BATCH, len(images), _BATCH))
        return np.concatenate([self._probabilities(batch) for batch in batches])

    def _probabilities(
        self, images: npt.NDArray[np.uint8], options: onnxruntime.RunOptions = None
    ) -> Probabilities:
        """Classifies one batch; in halves, where it takes more memory than there is."""
        try:
            result = self.session.run([OUTPUT], {INPUT: images[:, np.newaxis]}, options)[0]
        except Exception as error:
            if len(images) > 1:
                return np.concatenate(
                    [self._probabilities(half, options) for half in np.array_split(images, 2)]
                )
            raise ModelError(f"{self.name}: onnxruntime failed ({_reason(error)})") from error
        _check_probabilities(result, (len(images), len(self.labels)), self.name)
        return result  # type: ignore[no-any-return]

    @property
    def min_confidence(self) -> float:
        """The rejection threshold that was chosen for this model; 0 = reject nothing.

        Raises:
            ModelError: the file's value is not such a number.
        """
        return stated_threshold(self.metadata, self.name)

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def stated_threshold(metadata: Mapping[str, str], name: str, default: str = "0") -> float:
    """The rejection threshold that a file's metadata states, 0..1.

    Args:
        metadata: of the file.
        name: what an error calls the file.
        default: where it states none.

    Raises:
        ModelError: the value is not such a number.
    """
    stated = metadata.get("min_confidence", default)
    try:
        value = float(stated)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ModelError(f"{name}: its min_confidence, {stated!r}, is not in 0..1")
    return value


def _labels(stated: str | None, classes: int, name: str) -> tuple[str, ...]:
    labels = tuple(map(str, range(classes)) if stated is None else stated.split(","))
    are_names = all(label.strip() and one_line(label) == label for label in labels)
    if not are_names or len(labels) != classes or len(set(labels)) != classes:
        raise ModelError(
            f"{name}: its labels must be {classes} different names and are {stated!r}; "
            "export it again with `mnist-edge export`"
        )
    return labels


def _preprocessing(stated: str, name: str) -> Preprocessing:
    # Digits are found better since "1", and normalized in no other way.
    if stated in ("", "1"):
        return Preprocessing.DIGIT
    try:
        return Preprocessing(stated)
    except ValueError as error:
        raise ModelError(
            f"{name}: is of a newer version (its preprocessing is {stated!r}); upgrade mnist-edge"
        ) from error


class _Node(NamedTuple):
    """An input or output of a model, as onnxruntime states it."""

    name: str
    kind: str
    shape: list[int | str | None]


def _check_contract(inputs: list[_Node], outputs: list[_Node], name: str) -> int:
    """Checks inputs and outputs; returns the number of classes."""
    absent = _Node("", "", [])
    _, kind, shape = next((node for node in inputs if node.name == INPUT), absent)
    if len(inputs) != 1 or kind != "tensor(uint8)" or shape[1:] != [1, SIDE, SIDE]:
        raise ModelError(
            f"{name}: not an mnist-edge model; its input must be {INPUT}: tensor(uint8) "
            f"[batch, 1, 28, 28] and is {_described(inputs)}"
        )
    if isinstance(shape[0], int):
        raise ModelError(f"{name}: not an mnist-edge model; its batch must be dynamic")
    _, kind, shape = next((node for node in outputs if node.name == OUTPUT), absent)
    classes = shape[1] if len(shape) == 2 else None
    if kind != "tensor(float)" or not isinstance(classes, int) or classes < 2:
        raise ModelError(
            f"{name}: not an mnist-edge model; its output must be {OUTPUT}: tensor(float) "
            f"[batch, classes], two classes at least, and is {_described(outputs)}"
        )
    return classes


def _described(nodes: list[_Node]) -> str:
    """Inputs or outputs in words; their names are the file's."""
    listed = ", ".join(f"{node.name}: {node.kind} {node.shape}" for node in nodes[:_LISTED])
    return one_line(listed) or "nothing"


def _check_probabilities(result: Any, shape: tuple[int, int], name: str) -> None:
    """Checks the output of every batch: some 10 µs, where a batch takes thousands."""
    if result.shape != shape or result.dtype != np.float32:
        raise ModelError(
            f"{name}: not an mnist-edge model; its output for {shape[0]} images must be float32 "
            f"{list(shape)} and is {result.dtype} {list(result.shape)}"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        # NaN is neither large nor small.
        lowest = result.min(initial=0)
        error = np.abs(result.sum(axis=1) - 1).max(initial=0)
    if not (lowest >= 0 and error <= _TOLERANCE):
        raise ModelError(
            f"{name}: not an mnist-edge model; its {OUTPUT} must be 0 or more and sum to 1 for "
            f"each image; the lowest is {lowest:.3g}, and a sum differs from 1 by {error:.3g}"
        )


def _not_loaded(name: str) -> ModelError:
    return ModelError(
        f"{name}: not an ONNX model that onnxruntime can load (damaged, truncated, or "
        "something else); export it again with `mnist-edge export`"
    )


def _reason(error: Exception) -> str:
    """The first line of onnxruntime's message; its memory limit in plain words."""
    message = str(error)
    if "Available memory of" in message or "bad_alloc" in message:
        return f"it needs more memory than {MEMORY_LIMIT >> 20} MiB"
    return one_line(message.partition("\n")[0]) or type(error).__name__


@functools.lru_cache(maxsize=2)
def _unpickled(content: bytes, name: str, threads: int) -> Model:
    # A task that is sent to a process often brings the same model as the one before.
    return Model.from_bytes(content, name, threads)


_models: weakref.WeakSet[Model] = weakref.WeakSet()


class _Reopened:
    """Stands for a model's session in a forked child, and opens it when it is first used there."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        session = self._model.open_session()
        object.__setattr__(self._model, "session", session)  # frozen for everybody else
        return getattr(session, name)


def _reopen_sessions() -> None:
    """In a forked child, the parent's sessions lack their threads."""
    for model in _models:
        object.__setattr__(model, "session", _Reopened(model))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_sessions)
