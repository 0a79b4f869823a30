"""Wrong values in every place of a file: what tests of hostile files have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

__all__ = ["DELETED", "ESCAPES", "WRONG", "places", "with_value", "wrong_values"]

ESCAPES = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202egnp.exe\r\n[red]x[/red]<b>|"
"""An escape sequence (C0), one of C1, a change of direction, lines, rich's markup, HTML's."""

DELETED = object()

WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x" * 5_000,
    ESCAPES,
    "\0",
    [],
    [[1]],
    {},
    {"a": {"b": 1}},
    DELETED,
)
"""What a value of a file is replaced by; `DELETED`: it is missing."""


def wrong_values(*fast: Any) -> list[Any]:
    """`WRONG` to parametrize a test with: those that are not in `fast` are slow."""
    quick = {repr(value) for value in fast}
    return [
        pytest.param(
            value, id=repr(value)[:20], marks=[] if repr(value) in quick else pytest.mark.slow
        )
        for value in WRONG
    ]


def places(values: Any, most: int = 12) -> Iterator[tuple[Any, ...]]:
    """The keys and indices that lead to each value in tables and lists, of the first ones each."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(values, dict):
        pairs = [*values.items()]
    elif isinstance(values, list | tuple):
        pairs = [*enumerate(values)]
    for key, value in pairs[:most]:
        yield (key,)
        yield from ((key, *rest) for rest in places(value, most))


def with_value(values: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value in one place."""
    key, *rest = place
    changed = list(values) if isinstance(values, tuple) else copy.copy(values)
    if rest:
        changed[key] = with_value(changed[key], tuple(rest), value)
    elif value is DELETED:
        del changed[key]
    else:
        changed[key] = value
    return tuple(changed) if isinstance(values, tuple) else changed
