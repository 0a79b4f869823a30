"""What is read ahead is what would be read later; whatever is not plain is left alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge.batch.worker_pool import _unpacked
from mnist_edge.inputs.decode import decode
from mnist_edge.inputs.prefetch import Pictures, ReadAhead, read_ahead
from tests.conftest import Digits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is read ahead there")


@pytest.fixture
def folder(tmp_path: Path, test_digits: Digits) -> Path:
    """Twenty of MNIST's, one of them in a folder inside, and what is not to be read."""
    (tmp_path / "inside").mkdir()
    for number, image in enumerate(test_digits[0][:19]):
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
    Image.fromarray(test_digits[0][19]).save(tmp_path / "inside" / "19.png")
    Image.fromarray(test_digits[0][0]).save(tmp_path / "photo.jpg")
    Image.new("RGB", (28, 28)).save(tmp_path / "colour.png")
    Image.new("L", (29, 28)).save(tmp_path / "wide.png")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "00.png").read_bytes()[:100])
    (tmp_path / "closed.png").symlink_to(tmp_path / "nowhere")
    return tmp_path


def all_of(ahead: ReadAhead) -> Pictures:
    """What it reads when it is given the time to read all."""
    os.waitid(os.P_PID, ahead.process, os.WEXITED | os.WNOWAIT)
    return ahead.pictures()


def test_plain_pictures_are_read_as_they_are_decoded(folder: Path) -> None:
    read = all_of(ReadAhead([str(folder)], recursive=True))
    expected = [str(folder / f"{number:02}.png") for number in range(19)]
    assert list(read.places) == [*expected, str(folder / "inside" / "19.png")]
    pixels = np.frombuffer(read.pixels, np.uint8).reshape(-1, 28, 28)
    for path, place in read.places.items():
        np.testing.assert_array_equal(pixels[place], decode(path))


def test_asked_at_once_it_gives_what_it_has(folder: Path) -> None:
    ahead = ReadAhead([str(folder)], recursive=False)
    read = [*ahead.pictures().places]
    assert read == [str(folder / f"{number:02}.png") for number in range(len(read))]
    with pytest.raises(ChildProcessError):
        os.waitpid(ahead.process, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"paths": None},
        {"paths": ["FOLDER"], "workers": 1},
        {"paths": ["FOLDER", "FOLDER/00.png"]},
        {"paths": ["nowhere"]},
        {"paths": ["FOLDER"], "files_from": "list.txt"},
    ],
)
@pytest.mark.usefixtures("_two_cores")
def test_only_folders_are_read_ahead_and_only_for_many(
    folder: Path, options: dict[str, object]
) -> None:
    paths = options.get("paths")
    if isinstance(paths, list):
        options = options | {"paths": [path.replace("FOLDER", str(folder)) for path in paths]}
    assert read_ahead(options) is None


@pytest.fixture
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("_two_cores")
def test_a_folder_is_read_ahead(folder: Path) -> None:
    ahead = read_ahead({"paths": [str(folder)]})
    assert ahead is not None
    assert len(all_of(ahead).places) == 19


@pytest.mark.usefixtures("_two_cores")
def test_where_no_process_can_be_started_it_goes_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    assert read_ahead({"paths": [str(folder)]}) is None


def test_whoever_answers_finds_what_was_read(folder: Path) -> None:
    read = all_of(ReadAhead([str(folder)], recursive=False))
    paths = [str(folder / name) for name in ("03.png", "photo.jpg", "00.png")]
    third, photo, first = _unpacked((paths, None), read)
    assert (photo.name, photo.content) == (paths[1], None)
    for item in (third, first):
        assert isinstance(item.content, np.ndarray)
        np.testing.assert_array_equal(item.content, decode(item.name))
    assert [item.content for item in _unpacked((paths, None), None)] == [None] * 3
