"""Writes a file completely or not at all, and never over a file that is read."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mnist_edge.errors import OutputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FileId",
    "atomic_write",
    "beside",
    "file_id",
    "make_folder",
    "refuse_if_input",
    "remove_all_left_behind",
    "remove_left_behind",
]

FileId = tuple[int, int]
"""Device and inode of a file, which all names of it have in common."""

_LONGEST_NAME = 255
"""Bytes of a file's name, on most file systems."""

_LEFT_BEHIND = re.compile(r"(.+)\.(\d+)\.partial")


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a name beside `path` to write to, which becomes `path` when the block ends well.

    A device or a pipe cannot be replaced without destroying it: its own name is yielded. A link
    stays, and the file that it points to is replaced. What a killed program left of this file is
    removed.

    Raises:
        OutputError: it cannot be written.
    """
    from pathlib import Path

    if not _is_a_name(os.fspath(path)):
        raise OutputError(f"{path}: cannot be written (no file can have this name)")
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            yield target
            return
        remove_left_behind(target)
        # With the process's number: two that write one file must not write one partial file.
        partial = beside(target, f".{os.getpid()}.partial")
        try:
            yield partial
            os.replace(partial, target)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _is_a_name(path: str) -> bool:
    """Whether the system takes it as a file's name: a member of an archive may have any."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def beside(path: Path, suffix: str) -> Path:
    """A file's name with a suffix behind it; a name with no room for it is cut off before it."""
    name = path.name
    while len(os.fsencode(name + suffix)) > _LONGEST_NAME:
        name = name[:-1]
    return path.with_name(name + suffix)


def remove_left_behind(target: Path) -> None:
    """Removes what killed programs left of `target` when they wrote it."""
    _remove(_searched_once(target.parent).pop(target.name, ()))


def remove_all_left_behind(folder: Path) -> None:
    """Removes what killed programs left of any file in a folder."""
    for partials in _left_behind(folder).values():
        _remove(partials)


def _remove(partials: Iterable[Path]) -> None:
    for partial in partials:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _left_behind(folder: Path) -> dict[str, list[Path]]:
    """Partial files of programs that are gone, by the file they were to become."""
    found: dict[str, list[Path]] = {}
    if sys.platform == "win32":  # there is no asking whether a process lives without ending it
        return found
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (match := _LEFT_BEHIND.fullmatch(entry.name)) and not _lives(int(match[2])):
                found.setdefault(match[1], []).append(folder / entry.name)
    return found


_searched_once = functools.cache(_left_behind)
"""Thousands of files may be written to one folder."""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{path}: the folder cannot be made ({reason}); choose another"
        ) from error


def file_id(path: str | os.PathLike[str] | int) -> FileId | None:
    """Identifies a regular file by its name, a link to it, or its descriptor.

    Returns:
        None where there is no such file, or it is no file that could be overwritten: a folder, a
        device, a pipe.
    """
    from stat import S_ISREG

    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if S_ISREG(status.st_mode) else None


def refuse_if_input(target: Path, inputs: Iterable[str | os.PathLike[str]], option: str) -> None:
    """Refuses to write over a file that is read: by its own name, through a link, a hard link.

    To be called before anything is written. Where there is no file `target` yet, there is nothing
    to lose, and `inputs` is not looked at.

    Args:
        target: file to be written.
        inputs: files that are read; those that do not exist do no harm.
        option: that named `target`, for the message.

    Raises:
        UsageError: `target` is one of the inputs.
    """
    written = file_id(target)
    if written is None:
        return
    for path in inputs:
        if file_id(path) == written:
            raise UsageError(
                f"{option} {target}: would overwrite {os.fspath(path)}, which is an input; choose "
                "another file"
            )
