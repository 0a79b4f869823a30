"""Parses a plain `predict` or `read`, in a fraction of the time that Typer takes to be imported.

A picture is predicted in a fifth of a second; Typer would double that (see
``docs/optimisations.md``). This reads the same options, and leaves everything that is not plain to
Typer: help, mistakes, other commands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.options import Option

if TYPE_CHECKING:
    from mnist_edge.batch.read_options import ReadOptions

__all__ = ["parse_plain"]


def parse_plain(arguments: Sequence[str]) -> PredictOptions | ReadOptions | None:
    """The options of a plain `predict` or `read`.

    Args:
        arguments: of the program, beginning with the command.

    Returns:
        None where it is another command, or a line that Typer has something to say of.

    Raises:
        UsageError: the options contradict one another.
    """
    kind: type[PredictOptions] | type[ReadOptions]
    if arguments[:1] == ["predict"]:
        kind = PredictOptions
    elif arguments[:1] == ["read"]:
        from mnist_edge.batch.read_options import ReadOptions

        kind = ReadOptions
    else:
        return None
    fields, switches = _flags(kind)
    values: dict[str, Any] = {}
    paths: list[str] = []
    remaining = iter(arguments[1:])
    for argument in remaining:
        if not argument.startswith("-") or argument == "-":
            paths.append(argument)
            continue
        flag, has_value, value = argument.partition("=")
        if argument in switches:
            name, values[name] = switches[argument][0], switches[argument][1]
        elif flag in fields:
            value = value if has_value else next(remaining, "-")
            parsed = _parse(fields[flag], value)
            if parsed is None:
                return None
            values[fields[flag].name] = parsed
        else:
            return None
    return kind(paths=paths or None, **values)


def _flags(
    kind: type[PredictOptions] | type[ReadOptions],
) -> tuple[dict[str, dataclasses.Field[Any]], dict[str, tuple[str, bool]]]:
    """Fields by the flags that take a value; names and values by the flags that take none."""
    fields: dict[str, dataclasses.Field[Any]] = {}
    switches: dict[str, tuple[str, bool]] = {}
    for field in dataclasses.fields(kind):
        option: Option = field.metadata["option"]
        for flags in option.flags or (f"--{field.name.replace('_', '-')}",):
            on, _, off = flags.partition("/")
            if field.default is not False:
                fields[on] = field
            else:
                switches[on] = field.name, True
                if off:
                    switches[off] = field.name, False
    return fields, switches


def _parse(field: dataclasses.Field[Any], text: str) -> object:
    """Parses the value of an option; None where it is invalid or begins like another option."""
    option: Option = field.metadata["option"]
    if option.is_argument or (text.startswith("-") and (field.name, text) != ("files_from", "-")):
        return None
    try:
        value = option.parse(text)
    except ValueError:
        return None
    if isinstance(value, int | float):
        low = option.minimum if option.minimum is not None else value
        high = option.maximum if option.maximum is not None else value
        return value if low <= value <= high else None
    return value
