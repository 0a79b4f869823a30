"""A picture that cannot be sorted costs a line; every other one is where it belongs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mnist_edge import OutputError
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs import sort_by_class as module
from mnist_edge.outputs.sort_by_class import Sorter
from mnist_edge.types import DIGITS

GRAY = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
COLOUR = np.random.default_rng(0).integers(0, 255, (28, 30, 3), dtype=np.uint8)


def array_item(name: str, array: npt.NDArray[np.generic]) -> Item:
    """A picture of an array of any type, as an npy file may hold."""
    return Item(name, array)  # type: ignore[arg-type]


def sort(folder: Path, items: list[Item], digit: int | None = 7) -> list[str]:
    """Sorts pictures that have one digit; the lines that were logged."""
    lines: list[str] = []
    sorter = Sorter(folder, DIGITS, lines.append, link=False)
    sorter(items, [digit] * len(items))
    assert sorter.failed == len(lines)
    return lines


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(array, id=f"{array.dtype} {array.shape}")
        for array in (
            *(GRAY, COLOUR, np.dstack([COLOUR, COLOUR[..., :1]])),
            *(GRAY / 255, (GRAY / 255).astype(np.float32), (GRAY / 255).astype(np.float16)),
            *(GRAY > 100, COLOUR / 255, GRAY[..., np.newaxis], GRAY[:, ::-1], GRAY.T),
        )
    ],
)
def test_array_of_any_kind_is_saved_as_it_looks_and_once(
    tmp_path: Path, array: npt.NDArray[np.generic]
) -> None:
    for _ in range(2):
        assert sort(tmp_path, [array_item("a.npy[0]", array)]) == []
        assert files(tmp_path) == ["7/a.npy[0].png"]
    with Image.open(tmp_path / "7" / "a.npy[0].png") as image:
        assert image.size == (array.shape[1], array.shape[0])
        looks = np.asarray(image.convert("RGB"))[:, :, 0]
    plain = np.asarray(array)
    plain = plain if plain.ndim == 2 else plain[:, :, 0]
    wanted = plain if plain.dtype == np.uint8 else np.rint(plain.astype(np.float64) * 255)
    np.testing.assert_array_equal(looks, wanted)


@pytest.mark.parametrize(
    "array",
    [
        np.full((28, 28), np.nan),
        np.zeros((0, 28), np.uint8),
        np.zeros((28, 28, 7), np.uint8),
        np.zeros((28, 28), "U3"),
        np.zeros((28, 28), np.complex64),
        np.zeros((28, 28), "datetime64[s]"),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_array_that_is_no_picture_is_not_sorted(
    tmp_path: Path, array: npt.NDArray[np.generic]
) -> None:
    good = Item("b.npy[1]", GRAY)
    assert sort(tmp_path, [array_item("a.npy[0]", array), good], None) == []
    assert files(tmp_path) == ["unsure/b.npy[1].png"]


@pytest.mark.parametrize("kind", ["file", "image", "folder", "pipe", "dangling", "loop", "empty"])
@pytest.mark.parametrize(
    "item", [Item("x/a.png", b"content"), Item("a.png", GRAY)], ids=["bytes", "array"]
)
def test_what_has_the_name_already_stays_and_the_picture_gets_a_number(
    tmp_path: Path, kind: str, item: Item
) -> None:
    name = "a.png" if isinstance(item.content, bytes) else "a.png.png"
    taken = tmp_path / "7" / name
    taken.parent.mkdir()
    if kind == "file":
        taken.write_text("mine")
    elif kind == "image":
        Image.new("P", (5000, 2)).save(taken)
    elif kind == "folder":
        taken.mkdir()
    elif kind == "pipe":
        os.mkfifo(taken)  # opening it would wait for ever
    elif kind == "dangling":
        taken.symlink_to("nowhere")
    elif kind == "loop":
        taken.symlink_to(name)
    else:
        taken.touch()
    before = taken.read_bytes() if kind in ("file", "image") else None
    assert sort(tmp_path, [item]) == []
    numbered = taken.with_stem(f"{taken.stem}-2")
    assert numbered.is_file()
    assert not numbered.is_symlink()
    if before is not None:
        assert taken.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [
        *("x.zip/" + "n" * 300 + ".png", "x.tar/a\0b.png", "x.tar/\0", "x.zip/" + "字" * 100),
        *("x.zip/..", "x.zip/.", "x.zip/a/", "/", "x.zip/\udcff\ud800.png"),
    ],
)
def test_member_of_any_name_ends_nothing(tmp_path: Path, name: str) -> None:
    lines = sort(tmp_path, [Item(name, b"content"), Item("x.zip/b.png", b"content")])
    assert len(lines) <= 1
    assert all(("\n" not in line and "sorted" in line) or "written" in line for line in lines)
    assert (tmp_path / "7" / "b.png").read_bytes() == b"content"


def test_longest_name_of_a_file_is_sorted(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".png")
    path.write_bytes(b"content")
    assert sort(tmp_path / "out", [Item(str(path))]) == []
    assert (tmp_path / "out" / "7" / path.name).read_bytes() == b"content"


def test_folder_that_cannot_be_made_costs_its_own_pictures(tmp_path: Path) -> None:
    (tmp_path / "7").touch()
    assert len(sort(tmp_path, [Item("a.png", b"x"), Item("b.png", b"x")])) == 2
    assert sort(tmp_path, [Item("a.png", b"x")], 8) == []
    assert files(tmp_path) == ["8/a.png"]


def failing(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_picture_that_cannot_be_read_costs_a_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"content")
    copy = module.shutil.copyfile  # type: ignore[attr-defined]

    def copyfile(source: str, target: Path) -> None:
        if source.endswith("a.png"):
            raise failing(errno.EIO)
        copy(source, target)

    monkeypatch.setattr(module.shutil, "copyfile", copyfile)  # type: ignore[attr-defined]
    items = [Item(str(tmp_path / name)) for name in ("a.png", "b.png")]
    (line,) = sort(tmp_path / "out", items)
    assert "a.png" in line
    assert files(tmp_path / "out") == ["7/b.png"]


def test_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"content")

    def full(*_: object) -> None:
        raise failing(errno.ENOSPC)

    monkeypatch.setattr(module.shutil, "copyfile", full)  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="No space left"):
        sort(tmp_path / "out", [Item(str(tmp_path / "a.png"))])
