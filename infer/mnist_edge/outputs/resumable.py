"""Where the rows go: stdout, or a file that has its name only once it is complete.

Until then it is called ``NAME.partial``, and locked. Rows of JSON Lines, CSV and Arrow say which
pictures were predicted, so their partial file stays when the program is killed, and can be resumed;
``NAME.partial.options`` says which model and options its rows are of.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, TextIO

from mnist_edge.errors import OutputError, UsageError
from mnist_edge.outputs.atomic import atomic_write, beside, remove_left_behind
from mnist_edge.outputs.formats import ArrowDocument, Document, TextDocument
from mnist_edge.outputs.interrupts import whole_rows
from mnist_edge.outputs.row_writer import RowWriter, TextWriter

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.outputs.completed_rows import CompletedRow

__all__ = [
    "Settings",
    "completed_rows",
    "is_complete",
    "open_output",
    "options_path",
    "partial_path",
]

Settings = Mapping[str, str | int | float]
"""What rows depend on, apart from the pictures: values by the options' names."""

_PARTIAL, _OPTIONS = ".partial", ".partial.options"


@contextlib.contextmanager
def open_output(
    path: Path | None,
    formatter: Document[Any],
    *,
    settings: Settings | None = None,
    resume: bool = False,
    columns: Any = None,
) -> Iterator[RowWriter]:
    """Opens the output; the header is written, and the footer is, however the block ends.

    Args:
        path: of the file; None = stdout.
        formatter: of the rows.
        settings: of the run, which a resumed one must agree with.
        resume: go on after the last complete row of a partial file.
        columns: of a table that the pictures come from, which go along where the format has room:
            `pyarrow.Schema`; None = there are none.

    Raises:
        OutputError: the file cannot be written, or another program is writing it.
        UsageError: the partial file is of other settings.
    """
    if not isinstance(formatter, TextDocument):
        with _parquet_file(path, formatter, settings or {}, resume, columns) as rows:
            yield rows
        return
    if path is None:
        with _document(sys.stdout, formatter) as rows:
            yield rows
        return
    try:
        if _is_special(path):
            with _open(path, "w") as file, _document(file, formatter) as rows:
                yield rows
        else:
            with _partial_file(path) as file:
                if formatter.kind.is_resumable:
                    with _resumable(path, file, formatter, settings or {}, resume) as rows:
                        yield rows
                else:
                    options_path(path).unlink(missing_ok=True)
                    with _discarded_unless_complete(path, file), _document(file, formatter) as rows:
                        yield rows
                _sync(file)
                _finish(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def partial_path(path: Path) -> Path:
    """What a file, or the one that a link points to, is called until it is complete."""
    return beside(_target(path), _PARTIAL)


def options_path(path: Path) -> Path:
    """The file that holds the settings of the partial file."""
    return beside(_target(path), _OPTIONS)


def is_complete(path: Path) -> bool:
    """Whether there is nothing to resume: the file is there, and no partial file is."""
    return path.is_file() and not partial_path(path).exists()


def _target(path: Path) -> Path:
    from pathlib import Path

    return Path(os.path.realpath(path))


def _is_special(path: Path) -> bool:
    """Whether this is a device or a pipe, which cannot be replaced without destroying it."""
    return path.exists() and not path.is_file()


def _open(path: Path, mode: str) -> TextIO:
    # Names that are not text keep their bytes; a line's end is what the formatter says.
    file: TextIO = open(path, mode, encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[assignment]  # noqa: SIM115
    return file


@contextlib.contextmanager
def _document(file: TextIO, formatter: TextDocument[Any]) -> Iterator[RowWriter]:
    try:
        with whole_rows():
            file.write(formatter.header)
        yield TextWriter(file, formatter)
    finally:
        with whole_rows():
            file.write(formatter.footer)
            file.flush()


@contextlib.contextmanager
def _partial_file(path: Path) -> Iterator[TextIO]:
    """The partial file, locked: two programs that write it at once would corrupt it."""
    remove_left_behind(_target(path))
    partial = partial_path(path)
    while True:
        with _open(partial, "a") as file:
            _lock(file, path)
            # Between opening and locking, the program before us may have renamed it.
            if _is_same(file, partial):
                yield file
                return


def _is_same(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(file: IO[str], path: Path) -> None:
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


def _sync(file: IO[str]) -> None:
    """Lets the disk have all of a partial file, which gets its name, or goes, next."""
    file.flush()
    os.fsync(file.fileno())
    if sys.platform == "win32":  # an open file can be neither renamed nor removed there
        file.close()


def _finish(path: Path) -> None:
    """Gives the complete file its name."""
    partial_path(path).replace(_target(path))
    options_path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _discarded_unless_complete(path: Path, file: TextIO) -> Iterator[None]:
    """For a format that cannot be resumed."""
    try:
        file.truncate(0)
        yield
    except BaseException:
        partial_path(path).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _resumable(
    path: Path, file: TextIO, formatter: TextDocument[Any], settings: Settings, resume: bool
) -> Iterator[RowWriter]:
    completed = _completed(path, file, formatter, settings, resume)
    yield TextWriter(file, formatter, completed)
    for _ in completed:  # where no row was written
        pass


@contextlib.contextmanager
def _parquet_file(
    path: Path | None,
    document: ArrowDocument[Any],
    settings: Settings,
    resume: bool,
    columns: Any,
) -> Iterator[RowWriter]:
    """Writes a partial file of Arrow's, and at the end, Parquet."""
    if path is None or _is_special(path):
        raise UsageError("--format parquet: needs --output FILE, and a file that can be replaced")
    from mnist_edge.outputs.arrow_stream import ArrowWriter, schema_of_stream, write_parquet

    try:
        with _partial_file(path) as file:
            is_begun = resume and os.fstat(file.fileno()).st_size > 0
            schema = schema_of_stream(partial_path(path), document) if is_begun else None
            completed = _completed(path, file, document, settings, resume)
            rows = ArrowWriter(file.buffer, path, document, completed, schema, columns)
            yield rows
            rows.finish()
            _sync(file)
            with atomic_write(path) as target:
                write_parquet(partial_path(path), target)
            partial_path(path).unlink()
            options_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _completed(
    path: Path,
    file: TextIO,
    formatter: Document[Any],
    settings: Settings,
    resume: bool,
) -> Iterator[CompletedRow]:
    """The rows to keep; behind the last one, the file is made ready for the next."""
    end = 0
    if resume and os.fstat(file.fileno()).st_size:
        _check_settings(path, settings)
        for row in _rows_of(partial_path(path), formatter, settings):
            yield row
            end = row.end
    file.truncate(end)
    with atomic_write(options_path(path)) as partial:
        partial.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    if end == 0 and isinstance(formatter, TextDocument):
        file.write(formatter.header)


def _rows_of(path: Path, formatter: Document[Any], settings: Settings) -> Iterator[CompletedRow]:
    """The complete rows of a partial file."""
    threshold = _threshold(settings)
    if isinstance(formatter, TextDocument):
        from mnist_edge.outputs.completed_rows import read_rows

        return read_rows(path, formatter, threshold)
    from mnist_edge.outputs.arrow_stream import completed_in_stream

    return completed_in_stream(path, formatter, threshold)


def completed_rows(
    path: Path, formatter: Document[Any], settings: Settings
) -> Iterator[CompletedRow]:
    """The rows of a complete file.

    Raises:
        UsageError: it is not what this command writes.
    """
    if not isinstance(formatter, TextDocument):
        from mnist_edge.outputs.arrow_stream import completed_in_parquet

        yield from completed_in_parquet(path, formatter, _threshold(settings))
        return
    end = len(formatter.header)
    for row in _rows_of(path, formatter, settings):
        yield row
        end = row.end
    if end != path.stat().st_size:
        raise UsageError(f"{path}: not what this command writes; leave out --resume, or move it")


def _threshold(settings: Settings) -> float | None:
    threshold = settings.get("--min-confidence")
    return None if threshold is None else float(threshold)


def _check_settings(path: Path, settings: Settings) -> None:
    """Raises UsageError where the partial file is of another model, or of other options."""
    recorded_in = options_path(path)
    try:
        recorded = json.loads(recorded_in.read_text(encoding="utf-8"))
        differing = [name for name in settings if recorded.get(name) != settings[name]]
    except FileNotFoundError:
        return  # an earlier version wrote the rows; that they agree with the options is checked
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"--resume: {recorded_in}: cannot be read; leave out --resume to start again"
        ) from error
    if differing:
        raise UsageError(
            f"--resume: {path} was started with another {', '.join(differing)}; use the same "
            "again, or leave out --resume to start anew"
        )
