"""Where the rows go: stdout, or a file that has its name only once it is complete.

Until then it is called ``NAME.partial``. Rows of JSON Lines and CSV say which pictures were
predicted, so their partial file stays when the program is killed, and can be resumed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TextIO

from mnist_edge.errors import OutputError, UsageError
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge.outputs.formats import Format, Formatter

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CompletedRow", "RowWriter", "completed_rows", "open_output", "partial_path"]


class CompletedRow(NamedTuple):
    """What a row that was written says; `digit`, `confidence` and `error` as in `Prediction`."""

    path: str
    digit: int | None
    confidence: float | None
    error: str | None


class RowWriter:
    """Writes rows, and what stands between them, without delay.

    Args:
        file: to write to.
        formatter: of the rows.
    """

    def __init__(self, file: TextIO, formatter: Formatter) -> None:
        self._file = file
        self._formatter = formatter
        self._is_first = True

    def write(self, rows: str) -> None:
        """Writes the text of one row or more."""
        self._file.write(self._formatter.separator(is_first=self._is_first) + rows)
        self._file.flush()
        self._is_first = False


@contextlib.contextmanager
def open_output(
    path: Path | None, formatter: Formatter, *, resume: bool = False
) -> Iterator[RowWriter]:
    """Opens the output; the header is written, and the footer is, however the block ends.

    Args:
        path: of the file; None = stdout.
        formatter: of the rows.
        resume: go on after the last complete row of a partial file.

    Raises:
        OutputError: the file cannot be written, or another program is writing it.
    """
    if path is None:
        with _document(sys.stdout, formatter) as rows:
            yield rows
    elif formatter.kind.is_resumable and not _is_special(path):
        with _resumable(path, formatter, resume) as rows:
            yield rows
    else:
        with (
            atomic_write(path) as partial,
            partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            _document(file, formatter) as rows,
        ):
            yield rows


@contextlib.contextmanager
def _document(file: TextIO, formatter: Formatter) -> Iterator[RowWriter]:
    try:
        # Inside, since an interruption can come between any two steps.
        file.write(formatter.header)
        yield RowWriter(file, formatter)
    finally:
        file.write(formatter.footer)


@contextlib.contextmanager
def _resumable(path: Path, formatter: Formatter, resume: bool) -> Iterator[RowWriter]:
    from pathlib import Path

    try:
        target = Path(os.path.realpath(path))
        partial = partial_path(target)
        with partial.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            _lock(file, path)
            complete = _complete_rows(partial, formatter.kind)[1] if resume else 0
            file.truncate(complete)
            if complete == 0:
                file.write(formatter.header)
            yield RowWriter(file, formatter)
            file.flush()
            os.fsync(file.fileno())
            partial.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def partial_path(path: Path) -> Path:
    """What a file is called until it is complete."""
    return path.with_name(f"{path.name}.partial")


def _is_special(path: Path) -> bool:
    """Whether this is a device or a pipe, which cannot be replaced without destroying it."""
    return path.exists() and not path.is_file()


def _lock(file: IO[str], path: Path) -> None:
    """Locks the file: two programs that write it at once would corrupt it."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"{path}: is being written by another mnist-edge") from error
    except OSError:
        # A file system without locks keeps nobody out.
        return


def completed_rows(path: Path, formatter: Formatter) -> Iterator[CompletedRow]:
    """The complete rows of a partial file; none where there is no such file.

    Raises:
        UsageError: it is not what this command writes.
    """
    import csv
    import json
    from pathlib import Path

    partial = partial_path(Path(os.path.realpath(path)))
    if not partial.exists():
        return
    count, _ = _complete_rows(partial, formatter.kind)
    if count == 0:
        return
    with partial.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        try:
            if formatter.kind is Format.CSV:
                header = file.readline()
                if header != formatter.header:
                    raise ValueError("another header")
                rows = csv.reader(file)
                for _ in range(count):
                    row = dict(zip(formatter.columns, next(rows), strict=True))
                    digit = int(row["digit"]) if row["digit"] else None
                    yield CompletedRow(
                        row["path"],
                        _checked_digit(digit, row, formatter),
                        float(row["confidence"]) if row["confidence"] else None,
                        row["error"] or None,
                    )
            else:
                for _ in range(count):
                    row = json.loads(file.readline())
                    digit = _checked_digit(row["digit"], row, formatter)
                    yield CompletedRow(row["path"], digit, row["confidence"], row["error"])
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise UsageError(
                f"{partial}: not what this command writes; delete it, or leave out --resume"
            ) from error


def _checked_digit(digit: int | None, row: dict[str, Any], formatter: Formatter) -> int | None:
    """The class of a row; raises ValueError where the model has no such class."""
    if digit is not None and digit not in range(len(formatter.labels)):
        raise ValueError("another model's class")
    label = formatter.labels[digit] if formatter.is_named and digit is not None else None
    if (row.get("label") or None) != label or ("label" in row) != formatter.is_named:
        raise ValueError("another model's label")
    return digit


def _complete_rows(path: Path, kind: Format) -> tuple[int, int]:
    """How many complete rows a file holds, and how many bytes they take.

    A line of CSV that ends within quotes, because a name holds a line's end, is not a row's end.
    """
    rows = size = position = quotes = 0
    with path.open("rb") as file:
        for line in file:
            position += len(line)
            quotes += line.count(b'"') if kind is Format.CSV else 0
            if line.endswith(b"\n") and quotes % 2 == 0:
                rows, size = rows + 1, position
    return max(0, rows - (kind is Format.CSV)), size
