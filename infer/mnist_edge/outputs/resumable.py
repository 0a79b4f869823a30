"""Where the answers go: stdout, or a file that has its name only once it is whole.

Until then it is called ``NAME.partial``. Rows of JSON Lines and CSV tell what was done, so a
partial file of theirs stays when the program is killed, and can be continued.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, TextIO

from mnist_edge.errors import OutputError, UsageError
from mnist_edge.outputs.atomic import written_whole
from mnist_edge.outputs.formats import Format, Writer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Row", "open_journal", "partial_of", "rows_done"]

Row = tuple[str, int | None, float | None, str | None]
"""Of a row that was written: path, digit, confidence, error."""


@contextlib.contextmanager
def open_journal(path: Path | None, writer: Writer, *, resume: bool = False) -> Iterator[TextIO]:
    """A file to write rows to, whose header is written; its footer is, however the block ends.

    Args:
        path: of the file; None = stdout.
        writer: of the rows.
        resume: go on after the last whole row of a partial file.

    Raises:
        OutputError: the file cannot be written, or another program is writing it.
    """
    if path is None:
        with _document(sys.stdout, writer):
            yield sys.stdout
    elif writer.kind.is_resumable and not _is_special(path):
        with _resumable(path, writer, resume) as file:
            yield file
    else:
        with (
            written_whole(path) as partial,
            partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            _document(file, writer),
        ):
            yield file


@contextlib.contextmanager
def _document(file: TextIO, writer: Writer) -> Iterator[None]:
    try:
        # Inside, since an interruption can come between any two steps.
        file.write(writer.header)
        yield
    finally:
        file.write(writer.footer)


@contextlib.contextmanager
def _resumable(path: Path, writer: Writer, resume: bool) -> Iterator[TextIO]:
    from pathlib import Path

    try:
        target = Path(os.path.realpath(path))
        partial = partial_of(target)
        with partial.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            _lock(file, path)
            whole = _whole_rows(partial, writer.kind)[1] if resume else 0
            file.truncate(whole)
            if whole == 0:
                file.write(writer.header)
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def partial_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(f"{path.name}.partial")


def _is_special(path: Path) -> bool:
    """A device or a pipe cannot be replaced without destroying it."""
    return path.exists() and not path.is_file()


def _lock(file: IO[str], path: Path) -> None:
    """Two programs that write one file would both spoil it."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"{path}: is being written by another mnist-edge") from error
    except OSError:
        # A file system that knows no locks keeps nobody out.
        return


def rows_done(path: Path, writer: Writer) -> Iterator[Row]:
    """The whole rows of a partial file, one after the other; none where there is no such file.

    Raises:
        UsageError: it is not what this command writes.
    """
    import csv
    import json
    from pathlib import Path

    partial = partial_of(Path(os.path.realpath(path)))
    if not partial.exists():
        return
    count, _ = _whole_rows(partial, writer.kind)
    if count == 0:
        return
    with partial.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        try:
            if writer.kind is Format.CSV:
                header = file.readline()
                if header != writer.header:
                    raise ValueError("another header")
                rows = csv.reader(file)
                for _ in range(count):
                    row = dict(zip(writer.columns, next(rows), strict=True))
                    yield (
                        row["path"],
                        _digit(int(row["digit"]) if row["digit"] else None, row, writer),
                        float(row["confidence"]) if row["confidence"] else None,
                        row["error"] or None,
                    )
            else:
                for _ in range(count):
                    row = json.loads(file.readline())
                    digit = _digit(row["digit"], row, writer)
                    yield row["path"], digit, row["confidence"], row["error"]
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise UsageError(
                f"{partial}: not what this command writes; delete it, or leave out --resume"
            ) from error


def _digit(digit: int | None, row: dict[str, Any], writer: Writer) -> int | None:
    """The answer of a row; raises ValueError where the writer's model has no such class."""
    if digit is not None and digit not in range(len(writer.labels)):
        raise ValueError("another model's number")
    label = writer.labels[digit] if writer.is_named and digit is not None else None
    if (row.get("label") or None) != label or ("label" in row) != writer.is_named:
        raise ValueError("another model's name")
    return digit


def _whole_rows(path: Path, kind: Format) -> tuple[int, int]:
    """How many rows a file holds to their end, and the bytes up to there.

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
