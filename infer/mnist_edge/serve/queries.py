"""Parameters of an address, after its question mark: parsed, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.datastructures import QueryParams

from mnist_edge.serve.responses import RequestError

__all__ = ["PredictQuery", "ReadQuery"]

_MOST_CHOICES = 1_000


@dataclass(frozen=True)
class PredictQuery:
    """What is asked of `/predict`.

    Attributes:
        top_k: classes to list.
        min_confidence: rejection threshold; None = the server's.
        preprocessed: send what the network saw.
    """

    top_k: int
    min_confidence: float | None
    preprocessed: bool

    @classmethod
    def parse(cls, parameters: QueryParams) -> PredictQuery:
        """Parses; raises RequestError where something makes no sense."""
        values = _Values(parameters, ("top_k", "min_confidence", "preprocessed"))
        return cls(
            int(values.number("top_k", 1, 1, 1_000, whole=True)),
            values.optional_number("min_confidence", 0, 1),
            values.switch("preprocessed"),
        )


class ReadQuery(NamedTuple):
    """What is asked of `/read`.

    Attributes:
        length, pattern, choices: that a number must meet; None = any.
        min_confidence: rejection threshold of a digit; None = the model's.
        alternatives: further readings of each number.
    """

    length: str | None
    pattern: str | None
    choices: Sequence[str] | None
    min_confidence: float | None
    alternatives: int

    @classmethod
    def parse(cls, parameters: QueryParams) -> ReadQuery:
        """Parses; raises RequestError where something makes no sense."""
        names = ("length", "pattern", "choices", "min_confidence", "alternatives")
        values = _Values(parameters, names, repeated="choices")
        choices = parameters.getlist("choices")
        if len(choices) > _MOST_CHOICES:
            raise RequestError(400, f"choices: more than {_MOST_CHOICES:,}")
        return cls(
            parameters.get("length"),
            parameters.get("pattern"),
            choices or None,
            values.optional_number("min_confidence", 0, 1),
            int(values.number("alternatives", 3, 0, 20, whole=True)),
        )


class _Values:
    """Parsed values of parameters, each of which may be given once."""

    def __init__(
        self, parameters: QueryParams, names: Sequence[str], repeated: str | None = None
    ) -> None:
        self._parameters = parameters
        for name in parameters:
            if name not in names:
                raise RequestError(400, f"{name}: no such parameter; there are {', '.join(names)}")
            if name != repeated and len(parameters.getlist(name)) > 1:
                raise RequestError(400, f"{name}: give it once")

    def number(
        self, name: str, default: float, least: float, most: float, *, whole: bool = False
    ) -> float:
        text = self._parameters.get(name)
        if text is None:
            return default
        # As JSON writes them: Python reads much more as a number, digits of other scripts say.
        try:
            value = float(text) if text.isascii() and "_" not in text else None
        except ValueError:
            value = None
        if value is None or not least <= value <= most or (whole and value != int(value)):
            kind = "whole number" if whole else "number"
            raise RequestError(400, f"{name}: must be a {kind} from {least:g} to {most:g}")
        return value

    def optional_number(self, name: str, least: float, most: float) -> float | None:
        return self.number(name, least, least, most) if name in self._parameters else None

    def switch(self, name: str) -> bool:
        text = self._parameters.get(name, "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise RequestError(400, f"{name}: must be true or false")
        return text in ("true", "1")
