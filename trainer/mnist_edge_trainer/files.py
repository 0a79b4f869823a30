"""Reads files that might be anything: with limits, and no pipes or devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["open_regular", "read_text"]

_MOST_BYTES = 64 * 2**20
"""Of a text file; an evaluation, which has every mistake, may have a tenth of it."""


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
