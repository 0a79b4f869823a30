"""Paths, folders, globs, lists and containers become pictures, in a fixed order."""

from __future__ import annotations

import glob
import gzip
import inspect
import io
import os
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from mnist_edge import UsageError
from mnist_edge.inputs import limits
from mnist_edge.inputs import sources as sources_module
from mnist_edge.inputs import walk as walk_module
from mnist_edge.inputs.sources import Item, count, names_in_list, read_batches
from mnist_edge.inputs.walk import FolderWalk, in_order, matching
from tests.conftest import Digits

if TYPE_CHECKING:
    from typing_extensions import Buffer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.png", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def read(*paths: object, recursive: bool = False) -> list[Item]:
    batches = read_batches([[*map(str, paths)]], FolderWalk(recursive))
    return [item for batch in batches for item in batch]


def stacked(items: list[Item]) -> np.ndarray:
    contents = [item.content for item in items]
    assert all(isinstance(content, np.ndarray) for content in contents)
    return np.stack(contents)  # type: ignore[arg-type]


def names(folder: Path, items: list[Item]) -> list[str]:
    return [str(Path(item.name).relative_to(folder)) for item in items]


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


class TestContainers:
    @pytest.fixture
    def encoded(self, train_digits: Digits) -> list[bytes]:
        contents = []
        for image in train_digits[0][:5]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            contents.append(buffer.getvalue())
        return contents

    def members(self, encoded: list[bytes]) -> Iterator[tuple[str, bytes]]:
        yield from ((f"digits/{i}.png", content) for i, content in enumerate(encoded))
        yield from [("notes.txt", b"no"), ("__MACOSX/x.png", b"no"), ("digits/.x.png", b"no")]

    @pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.xz", "tar.bz2"])
    def test_archives_give_their_pictures(
        self, tmp_path: Path, encoded: list[bytes], suffix: str
    ) -> None:
        path = tmp_path / f"digits.{suffix}"
        if suffix == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in self.members(encoded):
                    archive.writestr(name, content)
        else:
            kind = {"tgz": "gz", "tar": ""}.get(suffix, suffix.removeprefix("tar."))
            with tarfile.open(path, f"w:{kind}") as tar:  # type: ignore[call-overload]
                for name, content in self.members(encoded):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        walk = FolderWalk(recursive=False)
        (items,) = read_batches([[str(path)]], walk)
        expected = [Item(f"{path}/digits/{i}.png", content) for i, content in enumerate(encoded)]
        assert items == expected
        assert walk.skipped == 3

    @pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "npy"])
    def test_a_damaged_container_gives_the_pictures_before_the_damage(
        self, tmp_path: Path, train_digits: Digits, suffix: str
    ) -> None:
        path = tmp_path / f"x.{suffix}"
        rng = np.random.default_rng(0)
        contents = [rng.integers(0, 256, 20_000, np.uint8).tobytes() for _ in range(9)]
        if suffix == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for i, content in enumerate(contents):
                    archive.writestr(f"{i}.png", content)
            spoiled = bytearray(path.read_bytes())
            spoiled[100_100] ^= 1
            path.write_bytes(spoiled)
        elif suffix == "npy":
            np.save(path, train_digits[0][:200])
            path.write_bytes(path.read_bytes()[:100_000])
        else:
            with tarfile.open(path, "w:gz" if suffix == "tar.gz" else "w") as tar:
                for i, content in enumerate(contents):
                    member = tarfile.TarInfo(f"{i}.png")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            path.write_bytes(path.read_bytes()[:100_000])
        items = read(path)
        assert len(items) > 3
        assert items[0].error is None
        (error,) = (item.error for item in items if item.error)
        assert error.startswith(str(path))

    @pytest.mark.parametrize("suffix", ["zip", "tar.gz", "npy", "idx3-ubyte", "idx3-ubyte.gz"])
    @pytest.mark.parametrize("content", [None, b"", b"this is text, whatever its name says\n" * 9])
    def test_a_file_that_is_no_container_is_one_error(
        self, tmp_path: Path, suffix: str, content: bytes | None
    ) -> None:
        path = tmp_path / f"x-{suffix}" if "idx" in suffix else tmp_path / f"x.{suffix}"
        if content is not None:
            path.write_bytes(content)
        (item,) = read(path)
        assert (item.error or "").startswith(f"{path}: ")

    @pytest.mark.parametrize("packed", [False, True])
    def test_idx_files_give_their_images(
        self, tmp_path: Path, train_digits: Digits, packed: bool
    ) -> None:
        images = train_digits[0][:1100]
        content = struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()
        path = tmp_path / f"some-idx3-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        items = read(path)
        assert [item.name for item in items] == [f"{path}[{i}]" for i in range(1100)]
        np.testing.assert_array_equal(stacked(items), images)
        path.write_bytes(gzip.compress(content[:-1]) if packed else content[:-1])
        *items, last = read(path)
        assert len(items) == 1099
        assert "breaks off after 1099 of 1100" in (last.error or "")

    @pytest.mark.parametrize(
        ("shape", "pictures"),
        [((9, 8), 1), ((9, 8, 3), 1), ((5, 9, 8), 5), ((5, 9, 8, 3), 5), ((5, 9, 8, 1), 5)],
    )
    def test_numpy_arrays_give_their_pictures(
        self, tmp_path: Path, shape: tuple[int, ...], pictures: int
    ) -> None:
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        np.save(tmp_path / "x.npy", array)
        items = read(tmp_path / "x.npy")
        assert len(items) == pictures
        together = stacked(items)
        np.testing.assert_array_equal(together.reshape(shape), array)

    def test_numpy_arrays_of_other_shapes_are_errors(self, tmp_path: Path) -> None:
        for number, array in enumerate((np.zeros(9), np.array([{}]), np.zeros((2, 2, 2, 2, 2)))):
            np.save(tmp_path / f"{number}.npy", array)
            (item,) = read(tmp_path / f"{number}.npy")
            assert "damaged" in (item.error or "")
