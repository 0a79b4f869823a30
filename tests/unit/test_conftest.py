"""The tests leave the user's caches alone, and share what is slow to make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from mnist_edge_trainer.cache import cache_folder
from tests import conftest

KEEP_AN_ARRAY = """
import numpy
from mnist_edge_trainer.cache import cache_folder, cached_arrays
cached_arrays(cache_folder("tests") / "array.npz", lambda: {"array": numpy.zeros(1)})
"""


def test_cache_of_the_program_lies_in_the_folder_of_the_session() -> None:
    assert conftest.CACHE in user_cache_path("mnist-edge").parents
    assert conftest.CACHE in cache_folder("photos").parents


def test_child_process_writes_to_the_cache_of_the_session_alone(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", KEEP_AN_ARRAY], check=True, env=os.environ | home)
    assert (cache_folder("tests") / "array.npz").is_file()
    assert list(tmp_path.iterdir()) == []


def test_shared_folder_is_made_once_and_made_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "SESSION", tmp_path)
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        folder.mkdir()
        (folder / "file").touch()
        if len(calls) == 1:
            raise ValueError("the first time")

    with pytest.raises(ValueError, match="the first time"):
        conftest.made_once("name", make)
    for _ in range(2):
        assert conftest.made_once("name", make) == tmp_path / "name"
        assert (tmp_path / "name" / "file").is_file()
    assert len(calls) == 2


def test_shell_line_runs_the_program() -> None:
    done = conftest.run_shell("mnist-edge --version | cat")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mnist-edge ")
