"""The SQLite file of a search: opened by one process alone, its faults turned into our errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from mnist_edge.errors import OutputError, UsageError
from mnist_edge.outputs.atomic import make_folder

__all__ = ["open_study"]


@contextlib.contextmanager
def open_study(path: Path, name: str) -> Iterator[optuna.Study]:
    """Opens a study, which is made where it is missing, and closes its file after the block.

    Args:
        path: the SQLite file.
        name: of the study in it.

    Raises:
        UsageError: another process has it open.
        OutputError: it is damaged, or cannot be written.
    """
    make_folder(path.parent)
    with _locked(path), contextlib.ExitStack() as stack:
        try:
            study = optuna.create_study(
                storage=stack.enter_context(_database(path)),
                study_name=name,
                pruner=optuna.pruners.MedianPruner(),
                load_if_exists=True,
            )
            study.get_trials()
        except Exception as error:
            # Damage anywhere in the file shows now: arbitrary bytes fail in arbitrary ways.
            raise _unusable(path, error) from error
        try:
            yield study
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise _unusable(path, error) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps out a second process, which would take this one's running trial for interrupted."""
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"--storage {path}: another search is using it, or it cannot be written; "
            "wait for it, or name another"
        ) from error
    except OSError as error:
        raise OutputError(f"--storage {path}: cannot be written ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _database(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    database = optuna.storages.RDBStorage(
        # Not the path itself: some characters of a file name have a meaning in a URL.
        "sqlite:///study",
        engine_kwargs={"creator": partial(sqlite3.connect, path)},
    )
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def _unusable(path: Path, error: BaseException) -> OutputError:
    while error.__cause__:
        error = error.__cause__  # SQLite's own message, without those around it
    return OutputError(
        f"--storage {path}: damaged, not a study's file, or cannot be written ({error}); name "
        "another"
    )
