"""Prefetched pixels equal decoded ones; everything that is not a small gray PNG is left alone."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge.inputs import prefetch
from mnist_edge.inputs.decode import decode
from tests.conftest import Digits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is prefetched there")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two cores, and nothing prefetched before or after the test."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(prefetch, "_pixels", {})
    yield
    prefetch.finish()


@pytest.fixture
def folder(tmp_path: Path, test_digits: Digits) -> Path:
    """Twenty MNIST images as PNG, one of them in a folder inside, and files of other kinds."""
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


def wait_for_prefetch() -> int:
    """Waits until the second process has read everything; returns its number."""
    assert prefetch._running is not None
    process = prefetch._running[0]
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    return process


@pytest.mark.parametrize("recursive", [False, True])
def test_prefetched_pixels_equal_decoded_ones(folder: Path, recursive: bool) -> None:
    paths = [folder / f"{number:02}.png" for number in range(19)]
    paths += [folder / "inside" / "19.png"] * recursive
    expected = {str(path): decode(path) for path in paths}
    assert prefetch.start([str(folder)], recursive=recursive)
    wait_for_prefetch()
    prefetch.finish()
    assert list(prefetch._pixels) == list(expected)
    for path, pixels in expected.items():
        np.testing.assert_array_equal(prefetch.lookup(path), pixels)
    assert prefetch.lookup(str(folder / "photo.jpg")) is None


def test_decode_uses_prefetched_pixels(folder: Path) -> None:
    path = folder / "03.png"
    expected = decode(path)
    prefetch.start([str(folder)], recursive=False)
    wait_for_prefetch()
    prefetch.finish()
    path.unlink()
    np.testing.assert_array_equal(decode(str(path)), expected)


def test_finish_keeps_what_is_ready_and_ends_the_process(folder: Path) -> None:
    prefetch.start([str(folder)], recursive=False)
    assert prefetch._running is not None
    process = prefetch._running[0]
    prefetch.finish()
    ready = list(prefetch._pixels)
    assert ready == [str(folder / f"{number:02}.png") for number in range(len(ready))]
    with pytest.raises(ChildProcessError):
        os.waitpid(process, 0)


def test_no_process_is_started_on_one_core(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert not prefetch.start([str(folder)], recursive=False)
    prefetch.finish()
    assert prefetch.lookup(str(folder / "00.png")) is None


def test_only_folders_are_prefetched(folder: Path) -> None:
    assert not prefetch.start([str(folder), str(folder / "00.png")], recursive=False)
    assert not prefetch.start([str(folder / "nowhere")], recursive=False)


def test_a_fork_that_fails_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    assert not prefetch.start([str(folder)], recursive=False)


def test_a_pipe_among_the_pictures_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "00-pipe.png")
    (folder / "01-linked.png").symlink_to(folder / "00-pipe.png")
    prefetch.start([str(folder)], recursive=False)
    wait_for_prefetch()
    prefetch.finish()
    assert len(prefetch._pixels) == 19


def test_no_memory_to_share_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert not prefetch.start([str(folder)], recursive=False)


def test_the_second_process_ends_without_its_parent(folder: Path) -> None:
    """The pipe that only the second process still holds is closed when it ends."""
    code = (
        "import os, sys; os.sched_getaffinity = lambda _: {0, 1}\n"
        "from mnist_edge.inputs import prefetch\n"
        "prefetch.start([sys.argv[1]], recursive=True); os._exit(0)"
    )
    reader, writer = os.pipe()
    subprocess.run([sys.executable, "-c", code, str(folder)], pass_fds=[writer], check=True)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b""
