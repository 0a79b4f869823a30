"""Reads model files: the released ones, which are part of the installation, and any other."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_edge.errors import ModelError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "DEFAULT_MODEL",
    "bundled_models",
    "bundled_number_models",
    "is_released",
    "read_model",
]

DEFAULT_MODEL = "mnist-edge-int8"

_CHECKSUMS = "SHA256SUMS"

_NUMBERS = "numbers"
"""Folder of the two models that read numbers, inside that of the models, with its own checksums."""

_LARGEST = 256 << 20
"""Bytes of a model file."""


def bundled_models() -> dict[str, Path]:
    """Paths of the released models that this installation carries, by name; the default first.

    Where the package is in a zip archive, they lead into it; `read_model` reads them all the same.
    """
    names = sorted(_bundled(), key=lambda name: (name != DEFAULT_MODEL, name))
    return {name: Path(str(_bundled()[name])) for name in names}


def bundled_number_models() -> dict[str, Path]:
    """Paths of the released models that find and read lines of digits, by name."""
    return {name: Path(str(file)) for name, file in sorted(_bundled(_NUMBERS).items())}


def is_released(content: bytes) -> bool:
    """Whether a model file's bytes are those of a released model, by SHA-256."""
    checksum = hashlib.sha256(content).hexdigest()
    return any(checksum in _released_checksums(part).values() for part in ("", _NUMBERS))


def read_model(name: str) -> bytes:
    """Reads a model file, or a bundled model by its name, whose checksum is checked.

    Raises:
        ModelError: there is no such file, it is empty, too large or no file, or a bundled file is
            not the released one.
    """
    for part in ("", _NUMBERS):
        if (file := _bundled(part).get(name)) is not None:
            break
    else:
        return _read_file(name)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror or error})") from error
    if _released_checksums(part).get(file.name) != hashlib.sha256(content).hexdigest():
        raise ModelError(
            f"{file}: not the released file (its SHA-256 is not the one in {_CHECKSUMS}); "
            "reinstall mnist-edge"
        )
    return content


def _bundled(part: str = "") -> dict[str, Traversable]:
    """Model files by name: of the classifiers, or of the part `_NUMBERS`."""
    folder = _models_folder() / part if part else _models_folder()
    files = folder.iterdir() if folder.is_dir() else ()
    return {file.name.removesuffix(".onnx"): file for file in files if file.name.endswith(".onnx")}


def _models_folder() -> Traversable:
    """``models`` inside the installed package, or beside ``infer`` in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "models", package.parents[1] / "models"):
        if folder.is_dir():
            return folder
    from importlib import resources  # slow to import

    return resources.files("mnist_edge") / "models"


def _released_checksums(part: str = "") -> dict[str, str]:
    """SHA-256 of the released models, by the names of their files; empty without these."""
    try:
        folder = _models_folder() / part if part else _models_folder()
        lines = (folder / _CHECKSUMS).read_text("ascii").splitlines()
    except (OSError, KeyError):  # KeyError: a zip archive without it
        return {}
    return {file: checksum for checksum, file in (line.split() for line in lines)}


def _read_file(name: str) -> bytes:
    try:
        # A pipe or a device may never end.
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise ModelError(f"{name}: is not a file; give the path of an .onnx file")
        with open(name, "rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise ModelError(_missing(name)) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{name}: cannot be read ({reason})") from error
    if not content:
        raise ModelError(f"{name}: the model file is empty")
    if len(content) > _LARGEST:
        raise ModelError(f"{name}: larger than {_LARGEST >> 20} MiB, the most of a model file")
    return content


def _missing(name: str) -> str:
    bundled = bundled_models()
    if not bundled and os.path.basename(name) == name and not name.endswith(".onnx"):
        return f"{name}: this installation has no bundled model; reinstall mnist-edge"
    known = ", ".join((*bundled, *bundled_number_models())) or "none"
    return f"{name}: no such model file; give a path or a bundled model's name ({known})"
