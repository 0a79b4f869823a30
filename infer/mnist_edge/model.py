"""An ONNX file -> a checked, configured onnxruntime session and what the file says of itself."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnxruntime

from mnist_edge.errors import ModelError, one_line
from mnist_edge.types import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DEFAULT_MODEL",
    "INPUT",
    "OUTPUT",
    "Model",
    "bundled_models",
    "create_session",
    "load_session",
]

INPUT, OUTPUT = "image", "probabilities"
DEFAULT_MODEL = "mnist-edge-int8"

_BATCH = 500
_CPU = "CPUExecutionProvider"
_CHECKSUMS = "SHA256SUMS"


def _models_dir() -> str:
    """``models`` inside the installed package, or beside ``infer`` in a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(package, "models")
    checkout = os.path.join(os.path.dirname(os.path.dirname(package)), "models")
    return installed if os.path.isdir(installed) else checkout


def bundled_models() -> dict[str, str]:
    """Paths of the released models that this installation carries, by name; the default first."""
    folder = _models_dir()
    with os.scandir(folder) as files:
        names = [file.name.removesuffix(".onnx") for file in files if file.name.endswith(".onnx")]
    names.sort(key=lambda name: (name != DEFAULT_MODEL, name))
    return {name: os.path.join(folder, f"{name}.onnx") for name in names}


def create_session(
    content: bytes,
    threads: int = 1,
    provider: str = _CPU,
    profile: str | None = None,
) -> onnxruntime.InferenceSession:
    """An onnxruntime session set up for a small device.

    Args:
        content: a serialised ONNX model.
        threads: within one operator; for networks this small, 1 is usually the fastest.
        provider: what runs the operators that it has; the processor runs the others.
        profile: begin a profile; its file's name starts with this.

    Raises:
        Exception: whatever onnxruntime raises; its errors share no base class of their own.
    """
    options = onnxruntime.SessionOptions()
    # A number, even 1, turns off pinning, which fails noisily in containers with a cpuset.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the battery between two pictures; the arena keeps memory it once used.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(content, options, providers=[provider])


def load_session(
    name: str, threads: int = 1, provider: str = _CPU
) -> tuple[bytes, onnxruntime.InferenceSession]:
    """Reads any ONNX file, or a bundled model by its name, whose checksum is checked.

    Raises:
        ModelError: missing, not ONNX, truncated; or a bundled file is not the released bytes.
    """
    content = _read(name)
    return content, _open_session(content, name, threads, provider)


def _open_session(
    content: bytes, name: str, threads: int, provider: str = _CPU
) -> onnxruntime.InferenceSession:
    try:
        return create_session(content, threads, provider)
    except Exception as error:  # onnxruntime's errors derive from Exception directly
        raise ModelError(
            f"{name}: not an ONNX model that onnxruntime can load (damaged, truncated, or "
            "something else); export it again with `mnist-edge export`"
        ) from error


@dataclass(frozen=True)
class Model:
    """A model file that follows the contract, ready to run.

    Attributes:
        name: the path, or the name of the bundled model, that it was loaded by.
        content: the file's bytes.
        session: configured by `create_session`.
        threads: within one operator.
    """

    name: str
    content: bytes
    session: onnxruntime.InferenceSession
    threads: int

    @classmethod
    def load(cls, source: str | Path | None = None, threads: int = 1) -> Model:
        """Opens a model and checks that it is one of ours.

        Args:
            source: path of an ``.onnx`` file or name of a bundled model; None = the default one.
            threads: within one operator.

        Raises:
            ModelError: missing, not ONNX, truncated, not of the contract's inputs, outputs and
                labels, made for a newer version, or, for a bundled model, not the released bytes.
        """
        name = str(source) if source is not None else DEFAULT_MODEL
        content, session = load_session(name, threads)
        return cls._checked(name, content, session, threads)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, threads: int = 1) -> Model:
        """Like `load`, of a file's bytes; `name` is what errors call it."""
        return cls._checked(name, content, _open_session(content, name, threads), threads)

    @classmethod
    def _checked(
        cls, name: str, content: bytes, session: onnxruntime.InferenceSession, threads: int
    ) -> Model:
        _check_contract(session, name)
        model = cls(name, content, session, threads)
        # What the file says wrongly is told now, not with the first answer.
        _ = model.labels, model.preprocessing
        return model

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Classifies any number of pictures, at most 500 at a time.

        Args:
            images: uint8 ``[N, 28, 28]``, as `preprocessing` makes them.

        Returns:
            probabilities float32 ``[N, C]``, one for each of `labels`; each row sums to 1.

        Raises:
            ModelError: onnxruntime failed.
        """
        try:
            return np.concatenate(
                [
                    self.session.run([OUTPUT], {INPUT: batch[:, np.newaxis]})[0]
                    for batch in np.split(images, range(_BATCH, len(images), _BATCH))
                ]
            )
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{self.name}: onnxruntime failed ({reason})") from error

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the C classes, all different, none empty; ``"0"``, ``"1"``, ... where the file
        has none.

        Raises:
            ModelError: the file names more or fewer, or what is no name.
        """
        (classes,) = (node.shape[1] for node in self.session.get_outputs() if node.name == OUTPUT)
        stated = self.metadata.get("labels")
        labels = tuple(map(str, range(classes)) if stated is None else stated.split(","))
        are_names = all(label.strip() and one_line(label) == label for label in labels)
        if not are_names or len(labels) != classes or len(set(labels)) != classes:
            raise ModelError(
                f"{self.name}: its labels must be {classes} different names and are {stated!r}; "
                "export it again with `mnist-edge export`"
            )
        return labels

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What makes pictures into what the network was trained to see.

        Raises:
            ModelError: the file names one that this version does not have.
        """
        stated = self.metadata.get("preprocessing", "")
        # Pictures are found better since "1", and are made no other way.
        if stated in ("", "1"):
            return Preprocessing.DIGIT
        try:
            return Preprocessing(stated)
        except ValueError as error:
            raise ModelError(
                f"{self.name}: is of a newer version (its preprocessing is {stated!r}); upgrade "
                "mnist-edge"
            ) from error

    @property
    def min_confidence(self) -> float:
        """Confidence below which an answer of this model is better withheld; 0 = none is.

        Raises:
            ModelError: the file says something that is no such number.
        """
        stated = self.metadata.get("min_confidence", "0")
        try:
            value = float(stated)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            raise ModelError(f"{self.name}: its min_confidence, {stated!r}, is not in 0..1")
        return value

    @cached_property
    def metadata(self) -> dict[str, str]:
        """``metadata_props`` of the file: name, version, accuracy, recipe, licence, ..."""
        return dict(self.session.get_modelmeta().custom_metadata_map)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def _read(name: str) -> bytes:
    bundled = bundled_models()
    if name in bundled:
        content = _bytes_of(bundled[name])
        _check_released(bundled[name], content)
        return content
    try:
        content = _bytes_of(name)
    except FileNotFoundError as error:
        known = ", ".join(bundled) or "none"
        raise ModelError(
            f"{name}: no such model file; give a path or a bundled model's name ({known})"
        ) from error
    except OSError as error:
        raise ModelError(f"{name}: cannot be read ({error.strerror or error})") from error
    if not content:
        raise ModelError(f"{name}: the model file is empty")
    return content


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _check_released(path: str, content: bytes) -> None:
    folder, name = os.path.split(path)
    sums = _bytes_of(os.path.join(folder, _CHECKSUMS)).decode("ascii").splitlines()
    released = {name: digest for digest, name in (line.split() for line in sums)}
    if released.get(name) != hashlib.sha256(content).hexdigest():
        raise ModelError(
            f"{path}: not the released file (its SHA-256 is not the one in {_CHECKSUMS}); "
            "reinstall mnist-edge"
        )


def _check_contract(session: onnxruntime.InferenceSession, name: str) -> None:
    inputs = {node.name: (node.type, node.shape) for node in session.get_inputs()}
    outputs = {node.name: (node.type, node.shape) for node in session.get_outputs()}
    kind, shape = inputs.get(INPUT, ("", []))
    if len(inputs) != 1 or kind != "tensor(uint8)" or shape[1:] != [1, 28, 28]:
        found = ", ".join(f"{key}: {kind} {shape}" for key, (kind, shape) in inputs.items())
        raise ModelError(
            f"{name}: not an mnist-edge model; its input must be {INPUT}: tensor(uint8) "
            f"[batch, 1, 28, 28] and is {found}"
        )
    kind, shape = outputs.get(OUTPUT, ("", []))
    classes = shape[1] if len(shape) == 2 else None
    if kind != "tensor(float)" or not isinstance(classes, int) or classes < 2:
        found = ", ".join(f"{key}: {kind} {shape}" for key, (kind, shape) in outputs.items())
        raise ModelError(
            f"{name}: not an mnist-edge model; its output must be {OUTPUT}: tensor(float) "
            f"[batch, classes], two classes at least, and is {found}"
        )
    if isinstance(inputs[INPUT][1][0], int):
        raise ModelError(f"{name}: not an mnist-edge model; its batch must be dynamic")
