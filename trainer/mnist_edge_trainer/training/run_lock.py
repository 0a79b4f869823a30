"""The lock of a run's folder: one training at a time writes into it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mnist_edge.errors import OutputError, UsageError
from mnist_edge.outputs.atomic import make_folder, remove_all_left_behind

__all__ = ["locked"]

_NAME = "train.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of a run's folder until the block ends.

    The folder is made where it is missing, and removed again if nothing was written into it. The
    system frees the lock when the process ends, however it ends: a file that a killed training left
    locks nobody out. Partial files that it left are removed.

    Raises:
        UsageError: another training is writing into the folder.
        OutputError: it cannot be written to.
    """
    make_folder(folder)
    try:
        descriptor = _acquire(folder / _NAME, folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        remove_all_left_behind(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            # Before it is closed: the name must not be another training's by then.
            os.unlink(folder / _NAME)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            folder.rmdir()  # where it is empty: a mistake leaves nothing behind


def _acquire(path: Path, folder: Path) -> int:
    """A descriptor of the locked file."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(descriptor):
                raise UsageError(
                    f"--output {folder}: another training is writing into it; wait for it, or "
                    "choose another folder"
                )
            # The training before may have removed the file between the two calls.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the file is locked now; True too where the file system knows no locks."""
    if sys.platform == "win32":
        return True  # an open file cannot be replaced there: the second training fails by itself
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
