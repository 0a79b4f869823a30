"""Paths, folders, globs, lists and containers become pictures, in a fixed order."""

from __future__ import annotations

import glob
import inspect
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_edge import UsageError
from mnist_edge.inputs import limits
from mnist_edge.inputs import sources as sources_module
from mnist_edge.inputs import walk as walk_module
from mnist_edge.inputs.sources import Item, count, names_in_list, read_batches
from mnist_edge.inputs.walk import FolderWalk, in_order, matching
from tests.unit.infer.inputs.source_items import names, read

if TYPE_CHECKING:
    from typing_extensions import Buffer


class TestFolders:
    def test_pictures_are_sorted_by_name_and_other_files_counted(self, folder: Path) -> None:
        walk = FolderWalk(recursive=False)
        (items,) = read_batches([[str(folder)]], walk)
        assert names(folder, items) == ["a.JPG", "b.png"]
        assert walk.skipped == 2

    def test_recursive_skips_hidden_folders(self, folder: Path) -> None:
        assert names(folder, read(folder, recursive=True)) == ["a.JPG", "b.png", "sub/c.png"]

    def test_circular_links_end(self, folder: Path) -> None:
        (folder / "sub" / "up").symlink_to(folder)
        (folder / "sub" / "self").symlink_to(folder / "sub" / "self")
        (folder / "sub" / "gone.png").symlink_to(folder / "nowhere")
        assert names(folder, read(folder, recursive=True)) == ["a.JPG", "b.png", "sub/c.png"]

    def test_linked_folders_are_walked(self, folder: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / ".elsewhere"
        elsewhere.mkdir()
        (elsewhere / "e.png").touch()
        (folder / "link").symlink_to(elsewhere)
        found = names(folder, read(folder, recursive=True))
        assert found == ["a.JPG", "b.png", "link/e.png", "sub/c.png"]

    def test_names_that_are_not_text_are_kept(self, tmp_path: Path) -> None:
        odd = [b"\xff.png", b"a\nb.png", b" .png", "é.png".encode("latin-1")]
        for name in odd:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
        found = {os.fsencode(Path(item.name).name) for item in read(tmp_path)}
        assert found == set(odd)

    def test_more_names_than_fit_in_memory_are_sorted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walk_module, "_RUN", 100)
        rng = np.random.default_rng(0)
        shuffled = [f"{number:05}\udcff.png" for number in rng.permutation(1234)]
        assert list(in_order(shuffled)) == sorted(shuffled)

    @pytest.mark.parametrize("fails", ["open", "write", "seldom"])
    def test_names_are_sorted_without_a_temporary_file(
        self, monkeypatch: pytest.MonkeyPatch, fails: str
    ) -> None:
        class Full(io.BytesIO):
            def write(self, content: Buffer) -> int:
                if fails == "seldom" and self.tell() == 0:
                    return super().write(content)
                raise OSError(28, "No space left on device")

        def temporary_file(**_: object) -> io.BytesIO:
            if fails == "open":
                raise FileNotFoundError(2, "No usable temporary directory found")
            return Full()

        monkeypatch.setattr(walk_module, "_RUN", 100)
        monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
        shuffled = [f"{number:05}" for number in np.random.default_rng(0).permutation(1234)]
        assert list(in_order(shuffled)) == sorted(shuffled)

    def test_a_long_list_of_names_opens_one_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = []

        def temporary_file(**_: object) -> io.BytesIO:
            opened.append(io.BytesIO())
            return opened[-1]

        monkeypatch.setattr(walk_module, "_RUN", 10)
        monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
        names = in_order(str(number) for number in range(1000))
        assert sorted(map(str, range(1000))) == list(names)
        assert len(opened) == 1
        assert opened[0].closed

    def test_folders_deeper_than_calls_are_searched(self, tmp_path: Path) -> None:
        deepest = tmp_path.joinpath(*["d"] * 50)
        deepest.mkdir(parents=True)
        for folder in (tmp_path, tmp_path / "d", deepest):
            (folder / "c.png").touch()
            (folder / "e.png").touch()
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 40)
        try:
            paths = list(FolderWalk(recursive=True).pictures_in(str(tmp_path)))
        finally:
            sys.setrecursionlimit(before)
        found = [Path(path) for path in paths]
        middle = [deepest / "c.png", deepest / "e.png", tmp_path / "d" / "e.png"]
        expected = [tmp_path / "c.png", tmp_path / "d" / "c.png", *middle, tmp_path / "e.png"]
        assert found == expected

    def test_a_folder_whose_path_is_too_long_is_one_error_among_pictures(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Folders can be nested deeper than a path can say.
        monkeypatch.chdir(tmp_path)
        for _ in range(45):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "e.png").touch()
        too_long, picture = read(tmp_path, recursive=True)
        assert Path(too_long.name).name == "d" * 100
        assert picture.name == str(tmp_path / "e.png")

    def test_counting_agrees_with_reading(self, folder: Path) -> None:
        paths = [str(folder), str(folder / "*.png"), str(folder / "b.png"), "missing.png"]
        for recursive in (False, True):
            assert count(paths, recursive=recursive) == len(read(*paths, recursive=recursive))
        assert count(["-"], recursive=False) is None
        assert count(["x.zip"], recursive=False) is None


class TestNames:
    def test_order_of_the_command_line_is_kept(self, folder: Path) -> None:
        given = [folder / "b.png", folder / "*.JPG", "missing.png"]
        assert [item.name for item in read(*given)] == [
            str(folder / "b.png"),
            str(folder / "a.JPG"),
            "missing.png",
        ]

    @pytest.mark.parametrize(
        "pattern",
        [
            *("*", "*.png", "?.png", "[ab].*", "[!a]*", ".*", "**", "sub/*", "*/*.png", "*/c.png"),
            *("./*.png", "*/", "nowhere/*", "*/nowhere", "[", "s*/../*.png", "", "sub//*.png"),
        ],
    )
    def test_a_glob_matches_what_the_standard_library_says(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
    ) -> None:
        monkeypatch.chdir(folder)
        for prefix in ("", f"{folder}{os.sep}"):
            expected = sorted(filter(os.path.isfile, glob.glob(prefix + pattern)))
            assert list(matching(prefix + pattern)) == expected

    def test_a_named_file_is_read_whatever_its_extension(self, folder: Path) -> None:
        assert read(folder / "notes.txt") == [Item(str(folder / "notes.txt"))]

    def test_an_existing_file_named_like_a_glob_is_read(self, folder: Path) -> None:
        odd = folder / "digit[1].png"
        odd.touch()
        assert read(odd) == [Item(str(odd))]

    def test_no_picture_at_all_is_a_usage_error(self, folder: Path) -> None:
        empty = folder / "empty"
        empty.mkdir()
        with pytest.raises(UsageError, match="empty: no picture"):
            read(empty)
        with pytest.raises(UsageError, match=r"\*\.bmp, .*empty: no picture"):
            read(folder / "*.bmp", empty)

    def test_an_empty_folder_among_others_is_one_error(self, folder: Path) -> None:
        empty = folder / "empty"
        empty.mkdir()
        for paths in ((empty, folder / "b.png"), (folder / "b.png", empty)):
            items = read(*paths)
            assert [item.name for item in items] == [str(path) for path in paths]
            (error,) = (item.error for item in items if item.error)
            assert "no picture in it; --recursive" in error


class TestLists:
    @pytest.mark.parametrize("separator", [b"\n", b"\0"])
    def test_names_are_read_from_a_file(self, tmp_path: Path, separator: bytes) -> None:
        given = [b"a.png", b"\xff b.png", b"*.png", b"last.png"]
        for end in (b"", separator, separator * 2):
            (tmp_path / "list").write_bytes(separator.join(given) + end)
            groups = names_in_list(str(tmp_path / "list"), separator)
            assert [os.fsencode(name) for names in groups for name in names] == given

    def test_names_that_arrived_are_not_held_back(self) -> None:
        ours, theirs = os.pipe()
        os.write(theirs, b"a.png\nb.png\nc.p")
        groups = names_in_list(f"/dev/fd/{ours}", b"\n")
        assert [next(groups) for _ in range(2)] == [["a.png", "b.png"], []]
        os.write(theirs, b"ng\n")
        assert [next(groups) for _ in range(2)] == [["c.png"], []]
        os.close(theirs)
        assert list(groups) == []
        os.close(ours)

    def test_an_empty_batch_stands_for_each_wait(self) -> None:
        groups = [["a.png", "b.png"], [], ["c.png"], []]
        batches = list(read_batches(groups, FolderWalk(recursive=False), globs=False))
        assert [[item.name for item in batch] for batch in batches] == groups

    def test_batches_are_small_in_pictures_and_in_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        many = [f"{number}.png" for number in range(300)]
        walk = FolderWalk(recursive=False)
        assert [len(batch) for batch in read_batches([many], walk)] == [128, 128, 44]
        np.save(tmp_path / "x.npy", np.zeros((10, 100, 100), np.uint8))
        monkeypatch.setattr(sources_module, "_LARGEST_CONTENT", 25_000)
        sizes = [len(batch) for batch in read_batches([[str(tmp_path / "x.npy")]], walk)]
        assert sizes == [3, 3, 3, 1]

    @pytest.mark.parametrize("separator", [b"\n", b"\0"])
    def test_a_list_without_separators_is_a_usage_error(
        self, tmp_path: Path, separator: bytes
    ) -> None:
        (tmp_path / "list").write_bytes(b"a.png" + separator + b"x" * 10_000_000)
        groups = names_in_list(str(tmp_path / "list"), separator)
        assert next(groups) == ["a.png"]
        with pytest.raises(UsageError, match=r"list: a name longer than 65536 bytes"):
            list(groups)

    def test_long_names_make_small_batches(self) -> None:
        many = [f"{number}" + "x" * 60_000 for number in range(100)]
        sizes = [len(batch) for batch in read_batches([many], FolderWalk(recursive=False))]
        assert sum(sizes) == 100
        assert max(sizes) * 60_000 < 5 << 20

    def test_a_missing_list_is_a_usage_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"--files-from .*nowhere: cannot be read"):
            list(names_in_list(str(tmp_path / "nowhere"), b"\n"))


class TestStdin:
    @pytest.mark.parametrize("size", [0, 5, 1000, 1001, 5000])
    def test_stdin_is_read_up_to_a_limit(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        monkeypatch.setattr(limits, "LARGEST_FILE", 1000)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(size))))
        (item,) = read("-")
        if size <= 1000:
            assert item == Item("-", bytes(size))
        else:
            assert item.content is None
            assert "on stdin is not safe to read" in (item.error or "")
