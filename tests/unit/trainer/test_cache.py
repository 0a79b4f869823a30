"""The cache of arrays: read where it is whole, made again where it is not, done without."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from mnist_edge_trainer.cache import Arrays, cached_arrays


def arrays() -> Arrays:
    return {"images": np.arange(6).reshape(2, 3)}


def failing() -> Arrays:
    raise AssertionError("it is in the cache")


def test_arrays_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "x.npz"
    assert cached_arrays(path, arrays)["images"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert cached_arrays(path, failing)["images"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [file.name for file in path.parent.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty"])
def test_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.npz"
    cached_arrays(path, arrays)
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:100])
        case "zeros":
            path.write_bytes(content[:40] + bytes(60) + content[100:])
        case "empty":
            path.write_bytes(b"")
    assert cached_arrays(path, arrays)["images"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    for name in ("a.npz", "b.npz"):
        made = cached_arrays(tmp_path / "file" / "cache" / name, arrays)
        assert made["images"].sum() == 15
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "no cache (" in record.getMessage()
    assert str(tmp_path / "file" / "cache") in record.getMessage()
