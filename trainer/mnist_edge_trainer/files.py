"""Files that are read and written beside the user's own: small texts, and what was left behind."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from pathlib import Path

__all__ = ["open_regular", "read_text", "remove_left_behind"]

_MOST_BYTES = 64 * 2**20
"""Of a text file; an evaluation, which has every mistake, may have a tenth of it."""

_LEFT_BEHIND = re.compile(r".+\.(\d+)\.partial")


def open_regular(path: Path) -> int:
    """Opens a file to read, and nothing else: a pipe might never have a byte, a device no end.

    Returns:
        its descriptor.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "not a file")
    return descriptor


def read_text(path: Path, most_bytes: int = _MOST_BYTES) -> str:
    """Reads a file of UTF-8, and of so many bytes at most.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is not text, or far too large.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"too large (more than {most_bytes:,} bytes)")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("not text") from error


def remove_left_behind(folder: Path) -> None:
    """Removes the ``NAME.PID.partial`` files in a folder whose programs were killed."""
    if sys.platform == "win32":  # there is no asking whether a process lives without ending it
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _LEFT_BEHIND.fullmatch(entry.name)
            if match and entry.is_file(follow_symlinks=False) and not _lives(int(match[1])):
                os.unlink(entry.path)


def _lives(process: int) -> bool:
    """Whether a process is there; this one has written nothing yet."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
