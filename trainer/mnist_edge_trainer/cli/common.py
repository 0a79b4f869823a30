"""What the trainer's commands share: options, and the check for the packages that they need."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from mnist_edge.cli.console import interruptible_imports, log
from mnist_edge.errors import MissingExtraError, UsageError, one_line

__all__ = [
    "ARCH",
    "DATA",
    "DATASET",
    "DEVICE",
    "JSON_FLAGS",
    "NEGATED",
    "RUN",
    "RUN_PANEL",
    "VAL_SPLIT",
    "check_training_packages",
    "examples",
    "print_line",
    "training_packages",
    "warn_of_missing",
]

_DATA_PANEL, RUN_PANEL = "Data", "Run"

# Arguments of `mnist_edge.options.option`, for a field of that name.

ARCH: dict[str, Any] = {
    "help": "Architecture; `mnist-edge archs` lists them.",
    "metavar": "NAME",
    "shown_default": "small",
}
DATASET: dict[str, Any] = {
    "help": "mnist, fashion-mnist, kmnist or emnist-digits.",
    "metavar": "NAME",
    "shown_default": "mnist",
    "panel": _DATA_PANEL,
}
DATA: dict[str, Any] = {
    "help": "Folder of the dataset, which is downloaded there if it is missing; or a folder with "
    "your own pictures, in a folder for each class.",
    "metavar": "FOLDER",
    "shown_default": "./samples, else the user's cache",
    "panel": _DATA_PANEL,
}
VAL_SPLIT: dict[str, Any] = {
    "help": "Training images held out for validation.",
    "metavar": "N",
    "shown_default": "5000",
    "panel": _DATA_PANEL,
}
RUN: dict[str, Any] = {
    "help": "The run's folder.",
    "metavar": "RUN",
    "shown_default": "the latest run",
    "is_argument": True,
}
DEVICE: dict[str, Any] = {
    "help": "auto, cpu, cuda or mps.",
    "metavar": "NAME",
    "panel": RUN_PANEL,
}

JSON_FLAGS = ("Print JSON.", "--json")

NEGATED = " /--no-{}"
"""Hidden flag of a switch, which had a negative form up to 0.7: Typer's notation for one that sets
it to False, which it is by default."""

_TRAIN_PACKAGES = (
    "torch",
    "torchvision",
    "onnx",
    "onnxscript",
    "jinja2",
    "matplotlib",
    "sklearn",
    "scipy",
    "platformdirs",
    "tomli_w",
)
_TUNE_PACKAGES = ("optuna", "sqlalchemy", "filelock")


@contextlib.contextmanager
def training_packages(*, tune: bool = False) -> Iterator[None]:
    """Guards a command's imports of the training packages.

    Args:
        tune: the command needs those of the extra ``tune`` too.

    Raises:
        MissingExtraError: a package is not installed.
        UsageError: a package is installed, and failed to load in the block; or there is no folder
            for temporary files, which torch and matplotlib need.
    """
    check_training_packages(tune=tune)
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise UsageError(
            "no folder for temporary files can be written to, and the training packages need one; "
            "set TMPDIR to one"
        ) from error
    # Torch's OpenMP reads it as it is loaded: threads that wait then sleep, and leave the core to
    # others, where they would spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with interruptible_imports():
            yield
    except ImportError as error:
        raise UsageError(
            f"the training packages are installed but one failed to load ({error}); reinstall it"
        ) from error


def check_training_packages(*, tune: bool = False) -> None:
    """Checks that the training packages are installed, importing none.

    Raises:
        MissingExtraError: a package is not.
    """
    extras = "train,tune" if tune else "train"
    packages = _TRAIN_PACKAGES + (_TUNE_PACKAGES if tune else ())
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"this command needs {', '.join(missing)}; install with: "
            f"pip install 'mnist-edge[{extras}]' (in a checkout: pip install '.[{extras}]')"
        )


def print_line(text: str) -> None:
    """Prints one line of results, whatever names are in it; no part of it steers a terminal."""
    print(one_line(text))


def warn_of_missing(classes: Sequence[str]) -> None:
    """Warns of classes that no validation picture shows."""
    if classes:
        log(
            f"no validation picture of: {', '.join(classes)}; what is chosen by validation knows "
            "nothing of them: add pictures, or raise --val-split"
        )


def examples(*commands: str) -> str:
    """The end of a command's help: examples to copy."""
    return "\n\n".join(["**Examples**", *(f"`{command}`" for command in commands)])
