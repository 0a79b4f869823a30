"""Names of earlier releases, still read in checkpoints, recipes, model files and commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FIELD_ALIASES", "NAME_ALIASES", "current_fields", "current_name"]

NAME_ALIASES: Mapping[str, str] = {
    "committee": "ensemble",
    "mnist-edge-committee-int8": "mnist-edge-ensemble-int8",
}
"""Architectures, recipes and models, up to 0.7: earlier name -> today's."""

FIELD_ALIASES: Mapping[str, str] = {
    "start_from": "init_from",
    "lessons": "distill_views",
}
"""Fields of a recipe, up to 0.7: earlier name -> today's."""

_NAMES = ("arch", "teacher")
"""Fields whose value is one of the names above."""


def current_name(name: str) -> str:
    """Today's name of an architecture, a recipe or a model; any other name as it is."""
    return NAME_ALIASES.get(name, name)


def current_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Renames what an earlier release wrote.

    Args:
        values: fields of a recipe, of a run's ``config.json`` or of a checkpoint.

    Returns:
        the same, under today's names and with today's names in `arch` and `teacher`.
    """
    fields = {FIELD_ALIASES.get(field, field): value for field, value in values.items()}
    for field in _NAMES:
        if isinstance(fields.get(field), str):
            fields[field] = current_name(fields[field])
    return fields
