"""What the readers of archives and arrays have in common: entries, names, errors in words."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from mnist_edge.errors import ImageReadError
from mnist_edge.types import Pixels

__all__ = ["Entry", "TableRow", "base_name", "too_large", "unreadable"]

Entry: TypeAlias = tuple[str, bytes | Pixels | None, str | None]
"""Name of a picture, its content, and why there is none."""


class TableRow(NamedTuple):
    """The other columns of a picture's row in a Parquet file.

    Attributes:
        batch: `pyarrow.RecordBatch` of many rows.
        number: of the row in it.
    """

    batch: Any
    number: int


_LONGEST_REASON = 200
"""Characters of a library's message that are kept: some quote the file."""


def base_name(member: str) -> str:
    """The name of a file in an archive without its folders; that of a hidden folder it is in."""
    parts = member.replace("\\", "/").split("/")
    hidden = (part for part in parts if part.startswith((".", "__MACOSX")))
    return next((part for part in hidden if part not in (".", "..")), parts[-1])


def unreadable(name: str, error: Exception) -> Entry:
    """The entry of what cannot be read, in one line, whatever the exception was."""
    return name, None, f"{name}: {_reason(error)}"


def too_large(name: str, size: int) -> Entry:
    """The entry of a picture that is larger than is safe to read; `size` in bytes."""
    # A number of 4,301 digits is more than Python prints.
    many = size if size.bit_length() <= 64 else "more than 2^64"
    return name, None, f"{name}: {many} bytes is more than is safe to read"


def _reason(error: Exception) -> str:
    if isinstance(error, ImageReadError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    if isinstance(error, MemoryError):
        return "there is not enough memory to read it"
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    reason = " ".join(text.split())[:_LONGEST_REASON]
    return f"damaged ({reason or type(error).__name__})"
