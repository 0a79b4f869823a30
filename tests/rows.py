"""Rows that `mnist-edge predict` and `read` print as JSON."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema

__all__ = ["READING_VALIDATOR", "VALIDATOR", "rows"]


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = files("mnist_edge.outputs").joinpath(name).read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(schema))


VALIDATOR = _validator("prediction.schema.json")
"""Checks a row of `predict` against the published schema."""

READING_VALIDATOR = _validator("reading.schema.json")
"""Checks a row of `read` against the published schema."""


def rows(text: str) -> list[dict[str, Any]]:
    """The objects of some JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
