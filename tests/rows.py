"""Rows that `mnist-edge predict` prints as JSON."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema

__all__ = ["VALIDATOR", "rows"]

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(files("mnist_edge.outputs").joinpath("prediction.schema.json").read_text("utf-8"))
)
"""Checks a row against the published schema."""


def rows(text: str) -> list[dict[str, Any]]:
    """The objects of some JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
