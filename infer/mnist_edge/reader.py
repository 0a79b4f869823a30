"""Pictures -> the numbers in them, with a box for every digit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnist_edge.errors import ImageError, NoDigitError
from mnist_edge.inputs.decode import decode_all, source_name
from mnist_edge.numbers.constraints import Choices, Constraint, Length, Pattern, combine
from mnist_edge.numbers.line_finder import LineFinder
from mnist_edge.numbers.line_model import LineModel
from mnist_edge.numbers.reading import Alternative, Number, ReadDigit, Separator, numbers_of
from mnist_edge.types import ImageSource, Pixels

__all__ = ["Alternative", "Number", "NumberReader", "ReadDigit", "Reading", "Separator"]

_BATCH = 8
"""Pictures of a stream whose lines are read together."""

_MIN_CONFIDENCE = 0.5
"""A digit below this is ``?``."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The numbers of one picture, or why there are none.

    Attributes:
        path: where the picture came from, where it has a path.
        numbers: row by row, from left to right.
        error: one line; None where there is a number.
        picture: as it was decoded; not part of `to_dict`.
    """

    path: str | None
    numbers: tuple[Number, ...]
    error: str | None = None
    picture: Pixels | None = field(default=None, repr=False)

    @property
    def text(self) -> str | None:
        """The numbers: a space between those of a row, a new line between rows; None without."""
        if not self.numbers:
            return None
        rows = itertools.groupby(self.numbers, key=lambda number: number.row)
        return "\n".join(" ".join(number.text for number in row) for _, row in rows)

    @property
    def confidence(self) -> float | None:
        """That all of the text is right, 0..1; None without a number."""
        return math.prod(number.confidence for number in self.numbers) if self.numbers else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``path``, ``text``, ``confidence``, ``numbers``, ``error``."""
        confidence = self.confidence
        return {
            "path": self.path,
            "text": self.text,
            "confidence": None if confidence is None else round(confidence, 6),
            "numbers": [number.to_dict() for number in self.numbers],
            "error": self.error,
        }


class NumberReader:
    r"""Reads every digit of a picture, in order.

    It can be shared between threads, copied and pickled, and used in a forked process.

    >>> NumberReader().read("envelope.jpg").text  # doctest: +SKIP
    '90210'

    Args:
        model: path of the ``.onnx`` file that reads lines; None = the bundled one.
        finder: path of the ``.onnx`` file that finds them; None = the bundled one.
        threads: that onnxruntime may use within one operator.
        min_confidence: a digit below it is ``?``, 0..1; None = 0.5.
        length: digits of each number: ``5``, ``"5"`` or ``"2-8"``.
        pattern: regular expression that each number matches, as ``r"\d{5}"`` (see
            `mnist_edge.numbers.constraints.Pattern`).
        choices: the numbers that there may be, or path of a file with one on each line.
        alternatives: other readings of each number, at most.

    Raises:
        ModelError: a model file is missing, damaged, or not one that follows the contract.
        UsageError: a constraint is not of these forms.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        finder: str | Path | None = None,
        threads: int = 1,
        min_confidence: float | None = None,
        length: int | str | None = None,
        pattern: str | None = None,
        choices: str | Path | Iterable[str] | None = None,
        alternatives: int = 3,
    ) -> None:
        self.model = LineModel.load(model, threads)
        self.finder = LineFinder(finder, threads=threads)
        self.min_confidence = _MIN_CONFIDENCE if min_confidence is None else min_confidence
        self._constraint = _constraint(length, pattern, choices)
        self._alternatives = alternatives

    def read(self, source: ImageSource) -> Reading:
        """Reads one picture.

        Args:
            source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).

        Raises:
            ImageReadError: it cannot be opened or decoded.
            NoDigitError: there is no number in it, or none that fits.
            ModelError: a model fails.
        """
        name = source_name(source)
        (picture,) = decode_all([source], [name])
        if isinstance(picture, ImageError):
            raise picture
        (reading,) = self._readings([picture], [name])
        if reading.error is not None:
            raise NoDigitError(reading.error)
        return reading

    def stream(self, sources: Iterable[ImageSource]) -> Iterator[Reading]:
        """Reads any number of pictures, in order, in bounded memory.

        A picture that cannot be read yields a `Reading` with its `error`; none is skipped.
        """
        pending = iter(sources)
        while batch := list(itertools.islice(pending, _BATCH)):
            yield from self.read_batch(batch, [source_name(source) for source in batch])

    def read_batch(
        self, sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
    ) -> list[Reading]:
        """Reads several pictures at once; an error takes the place of a picture's numbers.

        Args:
            sources: the pictures; one that could not even be opened is its error.
            names: the `path` of each reading.
        """
        return self._readings(decode_all(sources, names), names)

    def _readings(
        self, pictures: Sequence[Pixels | ImageError], names: Sequence[str | None]
    ) -> list[Reading]:
        lines = [
            [] if isinstance(picture, ImageError) else self.finder.find(picture)
            for picture in pictures
        ]
        # The lines of all pictures at once: similar widths make one batch.
        outputs = iter(self.model.run([line.image for found in lines for line in found]))
        readings = []
        for picture, name, found in zip(pictures, names, lines, strict=True):
            if isinstance(picture, ImageError):
                readings.append(Reading(name, (), str(picture)))
                continue
            numbers = numbers_of(
                found,
                list(itertools.islice(outputs, len(found))),
                (picture.shape[1], picture.shape[0]),
                constraint=self._constraint,
                calibration=self.model.calibration,
                min_confidence=self.min_confidence,
                alternatives=self._alternatives,
            )
            error = None if numbers else f"{name or 'image'}: {self._nothing()}"
            readings.append(Reading(name, tuple(numbers), error, picture))
        return readings

    def _nothing(self) -> str:
        if self._constraint is not None:
            return "no number found that fits --length, --pattern and --choices"
        return "no digit found; nothing stands out from the background"


def _constraint(
    length: int | str | None, pattern: str | None, choices: str | Path | Iterable[str] | None
) -> Constraint | None:
    listed: Choices | None = None
    if isinstance(choices, (str, Path)):
        listed = Choices.read(Path(choices))
    elif choices is not None:
        listed = Choices(choices)
    return combine(
        [
            None if length is None else Length.parse(str(length)),
            None if pattern is None else Pattern(pattern),
            listed,
        ]
    )
