"""A folder of pictures by their names, and the reading of a file of given bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnist_edge.errors import UsageError
from mnist_edge.inputs.sources import Item, read_batches
from mnist_edge.inputs.walk import FolderWalk
from tests.unit.infer.inputs.archive_items import Read


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file of that name and content; items have names without the folder."""

    def read_content(name: str, content: bytes) -> list[Item]:
        path = tmp_path / name
        path.write_bytes(content)
        prefix = f"{tmp_path}{os.sep}"
        try:
            batches = list(read_batches([[str(path)]], FolderWalk(recursive=False)))
        except UsageError:  # no picture to read
            return []
        return [item._replace(name=item.name.removeprefix(prefix)) for b in batches for item in b]

    return read_content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.png", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path
