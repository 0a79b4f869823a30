"""A file is written whole or not at all, and never over an input; no partial file stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_edge import OutputError, UsageError
from mnist_edge.outputs.atomic import atomic_write, beside, file_id, refuse_if_input

_DIE_HALFWAY = """
import os, pathlib, signal, sys
from mnist_edge.outputs.atomic import atomic_write

with atomic_write(pathlib.Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


class TestAtomicWrite:
    def test_what_a_killed_program_left_is_removed_by_the_next(self, tmp_path: Path) -> None:
        target, other = tmp_path / "a.json", tmp_path / "b.json"
        for path in (target, other):
            subprocess.run([sys.executable, "-c", _DIE_HALFWAY, path], check=False)
        assert len(list(tmp_path.glob("*.partial"))) == 2
        with atomic_write(target) as partial:
            partial.write_text("whole")
        assert target.read_text() == "whole"
        # Another file's remains are none of ours.
        (left,) = tmp_path.glob("*.partial")
        assert left.name.startswith("b.json.")

    def test_partial_file_of_a_living_program_stays(self, tmp_path: Path) -> None:
        living = tmp_path / f"a.json.{os.getppid()}.partial"
        unlike = [tmp_path / name for name in ("a.json.partial", "a.json.x.partial", "a.json.1")]
        for path in (living, *unlike):
            path.touch()
        with atomic_write(tmp_path / "a.json") as partial:
            partial.touch()
        assert all(path.exists() for path in (living, *unlike))

    @pytest.mark.parametrize("name", ["x" * 250 + ".json", "字" * 83 + ".csv", "é" * 127])
    def test_longest_names_can_be_written(self, tmp_path: Path, name: str) -> None:
        with atomic_write(tmp_path / name) as partial:
            partial.write_text("whole")
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["x" * 256, "a\0b", "no/such/folder"])
    def test_name_that_cannot_be_written_is_an_error(self, tmp_path: Path, name: str) -> None:
        with (
            pytest.raises(OutputError, match="cannot be written"),
            atomic_write(tmp_path / name) as partial,
        ):
            partial.write_text("whole")
        assert list(tmp_path.iterdir()) == []

    def test_suffix_is_kept_whatever_the_name(self) -> None:
        assert beside(Path("a/b.csv"), ".partial") == Path("a/b.csv.partial")
        assert beside(Path("x" * 300), ".partial").name == "x" * 247 + ".partial"


class TestRefuseIfInput:
    @pytest.mark.parametrize("way", ["name", "link", "link to a link", "hard link", "folder link"])
    def test_output_that_is_an_input_is_refused_by_whatever_name(
        self, tmp_path: Path, way: str
    ) -> None:
        original = tmp_path / "in.tar"
        original.write_text("all there is")
        target = tmp_path / "out"
        if way == "name":
            target = original
        elif way == "hard link":
            target.hardlink_to(original)
        elif way == "folder link":
            target.symlink_to(tmp_path)
            target /= "in.tar"
        else:
            target.symlink_to(original)
            if way == "link to a link":
                (tmp_path / "again").symlink_to(target)
                target = tmp_path / "again"
        with pytest.raises(UsageError, match=r"--output .*: would overwrite .*in\.tar"):
            refuse_if_input(target, ["gone", str(original)], "--output")
        assert original.read_text() == "all there is"

    def test_other_files_folders_and_devices_are_not_refused(self, tmp_path: Path) -> None:
        same, other = tmp_path / "a", tmp_path / "b"
        same.write_text("x")
        other.write_text("x")
        refuse_if_input(same, [other], "--output")
        refuse_if_input(tmp_path / "new", [tmp_path / "new"], "--output")
        refuse_if_input(tmp_path, [tmp_path], "--output")
        refuse_if_input(Path(os.devnull), [os.devnull], "--output")

    def test_inputs_are_not_looked_at_where_nothing_would_be_overwritten(
        self, tmp_path: Path
    ) -> None:
        refuse_if_input(tmp_path / "new", (pytest.fail(name) for name in ["looked at"]), "-o")

    def test_open_file_is_identified_by_its_descriptor(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with (tmp_path / "a").open() as file:
            assert file_id(file.fileno()) == file_id(tmp_path / "a") is not None
        assert file_id("a\0b") is file_id(tmp_path) is file_id(tmp_path / "b") is None
