"""An ONNX file -> a checked, configured onnxruntime session and the metadata in the file."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from mnist_edge.errors import ModelError, one_line
from mnist_edge.types import Preprocessing

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


def _models_folder() -> Path:
    """``models`` inside the installed package, or beside ``infer`` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def bundled_models() -> dict[str, Path]:
    """Paths of the released models that this installation carries, by name; the default first."""
    paths = sorted(_models_folder().glob("*.onnx"))
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem != DEFAULT_MODEL)}


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
        Exception: any error of onnxruntime; its errors share no base class.
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

    Returns:
        the file's bytes, and a session.

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
                labels, made for a newer version, or, for a bundled model, not the released bytes.
        """
        name = str(source) if source is not None else DEFAULT_MODEL
        return cls.from_bytes(_read(name), name, threads)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, threads: int = 1) -> Model:
        """Like `load`, from a file's bytes; `name` stands for the file in error messages."""
        session = _open_session(content, name, threads)
        classes = _check_contract(session, name)
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        labels = _labels(metadata.get("labels"), classes, name)
        preprocessing = _preprocessing(metadata.get("preprocessing", ""), name)
        return cls(name, content, session, threads, metadata, labels, preprocessing)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Classifies any number of images, at most 500 at a time.

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

    @property
    def min_confidence(self) -> float:
        """The rejection threshold that was chosen for this model; 0 = reject nothing.

        Raises:
            ModelError: the file's value is not such a number.
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
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def _read(name: str) -> bytes:
    """A model file's bytes; those of a bundled model are checked against its released checksum."""
    bundled = bundled_models()
    path = bundled.get(name) or Path(name)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        known = ", ".join(bundled) or "none"
        raise ModelError(
            f"{name}: no such model file; give a path or a bundled model's name ({known})"
        ) from error
    except OSError as error:
        raise ModelError(f"{name}: cannot be read ({error.strerror or error})") from error
    if not content:
        raise ModelError(f"{name}: the model file is empty")
    if name in bundled:
        sums = (path.parent / _CHECKSUMS).read_text("ascii").splitlines()
        released = {file: digest for digest, file in (line.split() for line in sums)}
        if released.get(path.name) != hashlib.sha256(content).hexdigest():
            raise ModelError(
                f"{path}: not the released file (its SHA-256 is not the one in {_CHECKSUMS}); "
                "reinstall mnist-edge"
            )
    return content


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


def _check_contract(session: onnxruntime.InferenceSession, name: str) -> int:
    """Checks inputs and outputs; returns the number of classes."""
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
    return classes
