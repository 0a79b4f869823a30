"""Refuses a run that would write over a file that it reads, before it writes anything.

Files are the same where their device and inode are: links and hard links count. Only a file that is
there already can be lost, so a run that writes new files alone has nothing to compare.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_edge.errors import UsageError
from mnist_edge.inputs.names import is_url, local_path
from mnist_edge.inputs.sources import STDIN
from mnist_edge.inputs.walk import FolderWalk, matching
from mnist_edge.outputs.atomic import FileId, file_id
from mnist_edge.outputs.resumable import options_path, partial_path

if TYPE_CHECKING:
    from mnist_edge.batch.shared_options import RunOptions

__all__ = ["InputGuard"]


class InputGuard:
    """Compares what a run reads with what it would write over.

    Args:
        options: of the run.

    Attributes:
        inputs: files of the folder of `--save-preprocessed` that are read: no preview may replace
            one of them.

    Raises:
        UsageError: a file that the options name would be overwritten.
    """

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._outputs = _existing(_outputs(options))
        self._previews = _existing(_files_in(options.save_preprocessed))
        self.inputs: set[FileId] = set()
        if self._outputs or self._previews:
            for path in (*_models(options.other_inputs), *_lists(options)):
                self._check(path)
            for path in options.paths or ():
                self._check_all(path, globs=True)

    def checked(self, names: Iterator[list[str]]) -> Iterator[list[str]]:
        """Names of a list as they come, checked.

        All names are read first where one of them could still be lost: a partial file that is
        started anew, previews.

        Raises:
            UsageError: one would be overwritten.
        """
        options = self._options
        if not (self._outputs or self._previews):
            return names
        if self._previews or (
            options.output is not None
            and not options.resume
            and partial_path(options.output).exists()
        ):
            return iter([self._checked(group) for group in [*names]])
        return map(self._checked, names)

    def _checked(self, names: list[str]) -> list[str]:
        for name in names:
            self._check_all(name, globs=False)
        return names

    def _check_all(self, path: str, *, globs: bool) -> None:
        """Checks a file, or all files that a folder or a glob stands for."""
        if path == STDIN:
            return
        if is_url(path):
            path, globs = local_path(path) or path, False
        if os.path.isdir(path):
            files: Iterable[str] = FolderWalk(self._options.recursive).pictures_in(path)
        elif globs and glob.has_magic(path) and not os.path.lexists(path):
            files = matching(path)
        else:
            files = (path,)
        for file in files:
            self._check(file)

    def _check(self, path: str | int) -> None:
        identity = file_id(path)
        if identity is None:
            return
        name = "stdin" if isinstance(path, int) else path
        if identity in self._outputs:
            raise UsageError(
                f"--output {self._options.output}: would overwrite {name}, which is an input; "
                "choose another file"
            )
        folder = self._options.save_preprocessed
        if folder is not None and identity in self._previews:
            if identity == file_id(folder / f"{Path(name).stem}.png"):
                raise UsageError(
                    f"--save-preprocessed {folder}: would overwrite {name}, which is an input; "
                    "choose another folder"
                )
            self.inputs.add(identity)


def _existing(paths: Iterable[Path]) -> set[FileId]:
    return {identity for path in paths if (identity := file_id(path)) is not None}


def _outputs(options: RunOptions) -> Sequence[Path]:
    """Files that are written, or emptied, on the way to the output."""
    path = options.output
    return () if path is None else (path, partial_path(path), options_path(path))


def _files_in(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        yield from folder.iterdir()


def _models(named: Iterable[str]) -> Iterator[str]:
    """The files that the options name, and the bundled models."""
    from mnist_edge.bundled import bundled_models, bundled_number_models

    yield from named
    yield from map(str, bundled_models().values())
    yield from map(str, bundled_number_models().values())


def _lists(options: RunOptions) -> Iterator[str | int]:
    """The list of names; a file that is read as stdin by its descriptor."""
    if STDIN in (options.files_from, *(options.paths or ())) and sys.stdin is not None:
        yield sys.stdin.fileno()
    if options.files_from not in (None, STDIN):
        yield str(options.files_from)
