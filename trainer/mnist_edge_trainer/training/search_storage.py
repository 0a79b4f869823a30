"""Where a search keeps its trials: an SQLite file, or another database that Optuna takes.

Several processes may work on one study. With a file, they take turns at proposing, and each holds a
lock while it runs a trial: the system frees it when the process ends, however it ends, and the
trial is then known to be interrupted.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from mnist_edge.errors import OutputError
from mnist_edge.outputs.atomic import make_folder

__all__ = ["SearchStorage", "is_url"]

_PATIENCE = 120.0
"""Seconds to wait for another process that is proposing, or writing."""


def is_url(storage: Path | str) -> bool:
    """Whether this is a database's URL, such as ``postgresql://...``, and not a file."""
    return "://" in str(storage)


class SearchStorage:
    """A database of studies.

    Args:
        place: an SQLite file, which is made where it is missing, or a URL as SQLAlchemy takes it.

    Attributes:
        knows_the_running: it can tell a trial that is running from one that was interrupted; of
            one elsewhere it takes none to be interrupted.
    """

    def __init__(self, place: Path | str) -> None:
        self._place = str(place)
        self._path = None if is_url(place) else Path(place)
        self.knows_the_running = self._path is not None

    @contextlib.contextmanager
    def study(self, name: str) -> Iterator[optuna.Study]:
        """Opens a study, which is made where it is missing, and closes it after the block.

        Raises:
            OutputError: the database is damaged, cannot be written, or cannot be reached.
        """
        if self._path is not None:
            make_folder(self._path.parent)
        with contextlib.ExitStack() as stack:
            try:
                with self.alone():
                    study = optuna.create_study(
                        storage=stack.enter_context(self._database()),
                        study_name=name,
                        pruner=optuna.pruners.MedianPruner(),
                        load_if_exists=True,
                    )
                    study.get_trials()
            except OutputError:
                raise
            except Exception as error:
                # Damage anywhere in the file shows now: arbitrary bytes fail in arbitrary ways.
                raise self._unusable(error) from error
            try:
                yield study
            except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                raise self._unusable(error) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from proposing until the block ends."""
        if self._path is None:
            yield
            return
        lock = FileLock(f"{self._path}.lock", timeout=_PATIENCE)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"--storage {self._path}: another search holds it, or it cannot be written"
            ) from error
        except OSError as error:
            raise OutputError(
                f"--storage {self._path}: cannot be written ({error.strerror})"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, trial: int) -> FileLock | None:
        """Marks a trial as running, until `end`, or until this process ends."""
        lock = self._lock_of(trial)
        if lock is not None:
            lock.acquire()
        return lock

    def end(self, trial: int, lock: FileLock | None) -> None:
        """Ends what `begin` began."""
        if lock is not None:
            lock.release()
            self._forget(trial)

    def is_interrupted(self, trial: int) -> bool:
        """Whether a trial that has not ended is run by nobody; what it left is then removed."""
        lock = self._lock_of(trial)
        if lock is None:
            return False
        try:
            lock.acquire()
        except Timeout:
            return False
        lock.release()
        self._forget(trial)
        return True

    @contextlib.contextmanager
    def folder_of(self, trial: int) -> Iterator[Path]:
        """An empty folder for a trial, which is removed after the block."""
        if self._path is None:
            with tempfile.TemporaryDirectory(prefix="mnist-edge-trial-") as name:
                yield Path(name)
            return
        folder = self._beside(trial)
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _beside(self, trial: int, suffix: str = "") -> Path:
        assert self._path is not None
        return self._path.with_name(f"{self._path.name}.trial-{trial}{suffix}")

    def _lock_of(self, trial: int) -> FileLock | None:
        return None if self._path is None else FileLock(self._beside(trial, ".lock"), timeout=0)

    def _forget(self, trial: int) -> None:
        shutil.rmtree(self._beside(trial), ignore_errors=True)
        with contextlib.suppress(OSError):
            self._beside(trial, ".lock").unlink(missing_ok=True)

    @contextlib.contextmanager
    def _database(self) -> Iterator[optuna.storages.RDBStorage]:
        if self._path is None:
            database = optuna.storages.RDBStorage(self._place)
        else:
            database = optuna.storages.RDBStorage(
                # Not the path itself: some characters of a file name have a meaning in a URL.
                "sqlite:///study",
                engine_kwargs={"creator": partial(sqlite3.connect, self._path, timeout=_PATIENCE)},
            )
        try:
            yield database
        finally:
            database.remove_session()
            database.engine.dispose()

    def _unusable(self, error: BaseException) -> OutputError:
        while error.__cause__:
            error = error.__cause__  # the database's own message, without those around it
        reason = " ".join(str(error).split())
        if self._path is None:  # its URL may hold a password
            return OutputError(
                f"--storage {self._place.partition('://')[0]}://...: cannot be used ({reason})"
            )
        return OutputError(
            f"--storage {self._path}: damaged, not a study's file, or cannot be written "
            f"({reason}); name another"
        )
