"""The one cache of arrays: made once, kept as compressed NumPy files in the user's cache folder."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from mnist_edge.outputs.atomic import atomic_write, make_folder

__all__ = ["cache_folder", "cached_arrays"]

Arrays = Mapping[str, npt.NDArray[Any]]

_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


def cache_folder(name: str) -> Path:
    """Folder `name` of the user's cache for this program; it need not exist."""
    return user_cache_path("mnist-edge") / name


def cached_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Reads arrays from a file; where it is missing or damaged, makes them and writes it.

    Args:
        path: the ``.npz`` file; its name must change with everything that the arrays depend on.
        make: the arrays, by name.

    Raises:
        OutputError: the file cannot be written.
    """
    with contextlib.suppress(*_DAMAGE), path.open("rb") as stored, np.load(stored) as arrays:
        return {name: arrays[name] for name in arrays.files}
    made = make()
    make_folder(path.parent)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **made)  # type: ignore[arg-type]
    return made
