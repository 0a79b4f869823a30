"""The one cache of arrays: made once, kept as compressed NumPy files in the user's cache folder."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from mnist_edge.errors import OutputError, one_line
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.files import open_regular

__all__ = ["cache_folder", "cached_arrays"]

Arrays = Mapping[str, npt.NDArray[Any]]

_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)

_LOG = logging.getLogger(__name__)


def cache_folder(name: str) -> Path:
    """Folder `name` of the user's cache for this program; it need not exist."""
    return user_cache_path("mnist-edge") / name


def cached_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Reads arrays from a file; where it is missing or damaged, makes them and writes it.

    Where it cannot be written, the arrays are made each time, and a warning says so once.

    Args:
        path: the ``.npz`` file; its name must change with everything that the arrays depend on.
        make: the arrays, by name.
    """
    with (
        contextlib.suppress(*_DAMAGE),
        os.fdopen(open_regular(path), "rb") as stored,
        np.load(stored) as arrays,
    ):
        return {name: arrays[name] for name in arrays.files}
    made = make()
    content = io.BytesIO()  # in memory first: a zip file on a full disk fails in several ways
    np.savez_compressed(content, **made)  # type: ignore[arg-type]
    try:
        make_folder(path.parent)
        with atomic_write(path) as partial:
            partial.write_bytes(content.getbuffer())
    except OutputError as error:
        _warn(path.parent, getattr(error.__cause__, "strerror", None) or str(error))
    return made


@functools.cache
def _warn(folder: Path, reason: str) -> None:
    """Warns once for each folder and reason."""
    _LOG.warning(one_line(f"{folder}: no cache ({reason}); its content is made again each time"))
