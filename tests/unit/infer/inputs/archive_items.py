"""What was read from an archive: its pictures, and its errors."""

from __future__ import annotations

from collections.abc import Callable

from mnist_edge.inputs.sources import Item

Read = Callable[[str, bytes], list[Item]]


def contents(items: list[Item]) -> list[bytes]:
    return [bytes(item.content) for item in items if item.content is not None]


def errors(items: list[Item]) -> list[str]:
    return [item.error for item in items if item.error is not None]
