"""What paths become: pictures, their names, and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mnist_edge.inputs.sources import Item, read_batches
from mnist_edge.inputs.walk import FolderWalk


def read(*paths: object, recursive: bool = False) -> list[Item]:
    batches = read_batches([[*map(str, paths)]], FolderWalk(recursive))
    return [item for batch in batches for item in batch]


def stacked(items: list[Item]) -> np.ndarray:
    contents = [item.content for item in items]
    assert all(isinstance(content, np.ndarray) for content in contents)
    return np.stack(contents)  # type: ignore[arg-type]


def names(folder: Path, items: list[Item]) -> list[str]:
    return [str(Path(item.name).relative_to(folder)) for item in items]
