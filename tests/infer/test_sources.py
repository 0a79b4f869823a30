"""What a command line names, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnist_edge import UsageError
from mnist_edge.sources import expand


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.png", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(folder: Path, found: list[str]) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in found]


def test_a_folder_gives_its_pictures_by_name(folder: Path) -> None:
    assert names(folder, expand([str(folder)], recursive=False)) == ["a.JPG", "b.png"]


def test_recursive_goes_down_and_stays_out_of_what_is_hidden(folder: Path) -> None:
    found = expand([str(folder)], recursive=True)
    assert names(folder, found) == ["a.JPG", "b.png", "sub/c.png"]


def test_the_command_lines_order_is_kept(folder: Path) -> None:
    given = [str(folder / "b.png"), "-", str(folder / "*.JPG"), "missing.png"]
    assert expand(given, recursive=False) == [
        str(folder / "b.png"),
        "-",
        str(folder / "a.JPG"),
        "missing.png",
    ]


def test_a_named_file_is_tried_whatever_it_is_called(folder: Path) -> None:
    assert expand([str(folder / "notes.txt")], recursive=False) == [str(folder / "notes.txt")]


def test_a_name_that_looks_like_a_pattern_is_a_name_first(folder: Path) -> None:
    odd = folder / "digit[1].png"
    odd.touch()
    assert expand([str(odd)], recursive=False) == [str(odd)]


def test_nothing_to_read_is_a_usage_error_that_names_it(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="empty: no picture"):
        expand([str(empty)], recursive=False)
    with pytest.raises(UsageError, match=r"\*\.bmp: no picture"):
        expand([str(folder / "*.bmp")], recursive=False)


def test_an_empty_folder_beside_others_is_one_input_that_fails(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    found = expand([str(empty), str(folder / "b.png")], recursive=False)
    assert names(folder, found) == ["empty", "b.png"]
