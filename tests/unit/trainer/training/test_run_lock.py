"""One training at a time in a run's folder, whatever happened to the one before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mnist_edge import UsageError
from mnist_edge_trainer.training.run_lock import locked

HOLDER = """
import sys, pathlib
from mnist_edge_trainer.training.run_lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="no flock")


@needs_locks
def test_second_training_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)], stdin=-1, stdout=-1, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match="another training is writing into it"), locked(run):
            pass
        assert run.exists()
        holder.kill()
    with locked(run):
        assert run.exists()


@needs_locks
def test_second_training_of_one_process_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked(run):
        with pytest.raises(UsageError, match="another training"), locked(run):
            pass
        (run / "best.pt").touch()
    with locked(run):
        pass


def test_nothing_is_left_of_a_run_that_wrote_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="mistake"), locked(run):
        raise UsageError("mistake")
    assert list(tmp_path.iterdir()) == []


def test_only_what_was_written_is_left(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked(run):
        (run / "config.json").touch()
    assert list(run.iterdir()) == [run / "config.json"]


@needs_locks
def test_partial_files_of_killed_trainings_are_removed(tmp_path: Path) -> None:
    run = tmp_path
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as living:
        names = {
            f"best.pt.{ended.pid}.partial": False,
            f"history.csv.{ended.pid}.partial": False,
            f"report.html.{living.pid}.partial": True,
            "last.pt": True,
            "mine.partial": True,
            "notes.99999999999999999999.partial": False,
        }
        for name in names:
            (tmp_path / name).touch()
        with locked(run):
            left = {path.name for path in tmp_path.iterdir()} - {"train.lock"}
        assert left == {name for name, is_kept in names.items() if is_kept}
        living.kill()
