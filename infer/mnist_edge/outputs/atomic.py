"""Writes a file completely or not at all, and makes the folder it goes into."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mnist_edge.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["atomic_write", "make_folder"]


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a name beside `path` to write to, which becomes `path` when the block ends well.

    A device or a pipe cannot be replaced without destroying it: its own name is yielded. A link
    stays, and the file that it points to is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    from pathlib import Path

    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            yield target
            return
        # With the process's number: two that write one file must not write one partial file.
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        try:
            yield partial
            os.replace(partial, target)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: the folder cannot be made ({error.strerror}); choose another"
        ) from error
