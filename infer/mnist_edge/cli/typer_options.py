"""Typer's parameters, made of a dataclass whose fields are options (see `mnist_edge.options`)."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from mnist_edge.options import Option

__all__ = ["with_options"]

T = TypeVar("T")


def with_options(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Decorates a function of one options object: Typer sees a parameter for each of its fields.

    A flag of an earlier release is a parameter of its own, which help does not show.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    hidden = {_hidden_name(flag): (flag, field) for field in fields for flag in _old_flags(field)}

    def decorate(run: Callable[[T], None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            for name, (_, field) in hidden.items():
                value = values.pop(name)
                # Where both names are used, the new one counts.
                if value != field.default and values[field.name] == field.default:
                    values[field.name] = value
            run(kind(**values))

        hints = get_type_hints(kind)
        parameters = [
            _parameter(field.name, field, hints[field.name], _details(field)) for field in fields
        ] + [
            _parameter(
                name, field, hints[field.name], typer.Option(flag, hidden=True, **_range(field))
            )
            for name, (flag, field) in hidden.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__name__, command.__doc__ = run.__name__, run.__doc__
        return command

    return decorate


def _old_flags(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    option: Option = field.metadata["option"]
    return option.hidden_flags


def _hidden_name(flag: str) -> str:
    """A parameter's name for a hidden flag; no field begins like it."""
    return "hidden" + re.sub(r"\W+", "_", flag)


def _parameter(
    name: str, field: dataclasses.Field[Any], hint: Any, details: Any
) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[hint, details],
    )


def _details(field: dataclasses.Field[Any]) -> Any:
    """Typer's description of a field's parameter."""
    option: Option = field.metadata["option"]
    details: dict[str, Any] = {
        "help": option.help + _shown_default(field, option),
        "metavar": option.metavar,
        "show_default": False,
        "rich_help_panel": option.panel,
        **_range(field),
    }
    if option.is_argument:
        return typer.Argument(**details)
    return typer.Option(*option.flags, **details)


def _range(field: dataclasses.Field[Any]) -> dict[str, Any]:
    option: Option = field.metadata["option"]
    return {"min": option.minimum, "max": option.maximum}


def _shown_default(field: dataclasses.Field[Any], option: Option) -> str:
    """The end of the help: Typer itself puts some defaults into parentheses, and others not."""
    if option.shown_default is not None:
        return f" [default: {option.shown_default}]"
    if field.default is None or field.default is False:
        return ""
    return f" [default: {field.default}]"
