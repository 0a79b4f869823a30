"""Typer's parameters, made of a dataclass whose fields are options (see `mnist_edge.options`)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from mnist_edge.options import Option

__all__ = ["with_options"]

T = TypeVar("T")


def with_options(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Decorates a function of one options object: Typer sees a parameter for each of its fields."""

    def decorate(run: Callable[[T], None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            run(kind(**values))

        hints = get_type_hints(kind)
        parameters = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[hints[field.name], _parameter(field)],
            )
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__name__, command.__doc__ = run.__name__, run.__doc__
        return command

    return decorate


def _parameter(field: dataclasses.Field[Any]) -> Any:
    option: Option = field.metadata["option"]
    details: dict[str, Any] = {
        "help": option.help,
        "metavar": option.metavar,
        "min": option.minimum,
        "max": option.maximum,
        "show_default": _shown_default(field, option),
        "rich_help_panel": option.panel,
    }
    if option.is_argument:
        return typer.Argument(**details)
    return typer.Option(*option.flags, **details)


def _shown_default(field: dataclasses.Field[Any], option: Option) -> str | bool:
    if option.shown_default is not None:
        return option.shown_default
    return field.default is not None and field.default is not False
