"""Options of a command as fields of a dataclass: declared once, with what a command line needs.

`mnist_edge.cli` makes Typer's parameters of such a class. Nothing here knows Typer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Option", "option"]


@dataclass(frozen=True)
class Option:
    """How the command line shows one field.

    Attributes:
        help: one sentence.
        flags: names, the long one first; empty = ``--`` and the field's name.
        hidden_flags: names of an earlier release, which still work and are not shown.
        metavar: what stands for the value.
        minimum, maximum: range of a number.
        shown_default: what help shows instead of the default.
        panel: heading of the group that it stands in.
        parse: text -> value, for the parser of `mnist_edge.cli.fast_parser`.
        is_argument: it is positional.
    """

    help: str
    flags: tuple[str, ...] = ()
    hidden_flags: tuple[str, ...] = ()
    metavar: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    shown_default: str | None = None
    panel: str | None = None
    parse: Callable[[str], object] = str
    is_argument: bool = False


def option(default: Any, help: str, *flags: str, **details: Any) -> Any:  # noqa: A002
    """A field of a dataclass; its ``metadata["option"]`` is an `Option` of these `details`."""
    return dataclasses.field(default=default, metadata={"option": Option(help, flags, **details)})
