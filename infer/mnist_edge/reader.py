"""Pictures -> every number on them, for one picture, several, or a stream of any length."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_edge.errors import ImageError, NoDigitError
from mnist_edge.inputs.decode import decode_with_size, fetched, source_name
from mnist_edge.numbers.constraints import Constraint, combine
from mnist_edge.numbers.line_finder import LineFinder
from mnist_edge.numbers.line_model import LineModel
from mnist_edge.numbers.reading import (
    Alternative,
    LineColumns,
    Number,
    ReadDigit,
    Rules,
    Separator,
    read,
)
from mnist_edge.numbers.text_line import TextLine
from mnist_edge.types import ImageSource

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["Alternative", "Number", "NumberReader", "ReadDigit", "Reading", "Separator"]

_BATCH = 16
"""Pictures of a stream that are decoded before the network sees them: few, so that results flow."""


@dataclass(frozen=True)
class Reading:
    """Every number of one picture, or why there is none.

    Attributes:
        path: where the picture came from, where it has a path.
        text: the numbers, those of a row separated by a space, rows by a line feed; digits, and
            ``?`` for those that are not certain enough. None where there is no number.
        confidence: probability that all of it is right, 0..1; None where there is no number.
        numbers: by rows from the top, then from left to right.
        error: one line; None where there is a number.
        size: width and height of the picture after EXIF orientation, pixels, which the boxes are
            in; None where it could not be read. Not part of `to_dict`.
    """

    path: str | None
    text: str | None
    confidence: float | None
    numbers: tuple[Number, ...] = field(repr=False)
    error: str | None = None
    size: tuple[int, int] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``path``, ``text``, ``confidence``, ``numbers``, ``error``."""
        return {
            "path": self.path,
            "text": self.text,
            "confidence": None if self.confidence is None else round(self.confidence, 6),
            "numbers": [number.to_dict() for number in self.numbers],
            "error": self.error,
        }


@dataclass(frozen=True, eq=False)
class _Found:
    """The lines of one picture.

    Attributes:
        lines: where they are, in a reduced picture.
        scale: pixels of the picture in one of the reduced one, horizontally and vertically.
        size: width and height of the picture, pixels.
    """

    lines: list[TextLine]
    scale: tuple[float, float]
    size: tuple[int, int]


class NumberReader:
    r"""Reads the numbers of a picture: every digit, in order, with its place.

    It can be shared between threads. It can be copied and pickled, with its models, to be sent to
    other processes, and it can be used in a forked process.

    >>> NumberReader().read("envelope.jpg").text  # doctest: +SKIP
    '04109'

    Args:
        model: that reads lines: path of an ``.onnx`` file; None = the bundled one.
        finder: that finds lines: path of an ``.onnx`` file; None = the bundled one.
        threads: that onnxruntime may use within one operator.
        min_confidence: rejection threshold of a digit, 0..1: a less confident one is ``?``. None =
            the model's; 0 = reject nothing.
        length: number of digits, ``5`` or ``"2-8"``; None = any.
        pattern: regular expression of the whole number: digits, ``\d``, ``[0-4]``, ``.``, groups,
            ``|``, ``?``, ``*``, ``+``, ``{2,8}``; None = any.
        choices: path of a text file with one possible number a line, or the numbers themselves;
            None = any. Of `length`, `pattern` and `choices`, all that are given must hold.
        alternatives: further readings of each number, at most.

    Raises:
        ModelError: a model file is missing, damaged, or not one that follows the contract.
        UsageError: `length`, `pattern` or `choices` cannot be understood.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        finder: str | Path | None = None,
        *,
        threads: int = 1,
        min_confidence: float | None = None,
        length: str | int | None = None,
        pattern: str | None = None,
        choices: str | os.PathLike[str] | Iterable[str] | None = None,
        alternatives: int = 3,
    ) -> None:
        constraint = combine(length, pattern, choices)
        self.model = LineModel.load(model, threads)
        self.finder = LineFinder(finder, threads=threads)
        self._set_rules(constraint, min_confidence, alternatives)

    def under(
        self,
        *,
        min_confidence: float | None = None,
        length: str | int | None = None,
        pattern: str | None = None,
        choices: str | os.PathLike[str] | Iterable[str] | None = None,
        alternatives: int = 3,
    ) -> NumberReader:
        """A reader with the same models, in the same memory, under other rules.

        Args:
            min_confidence: as of `NumberReader`, like all others.
            length: as there.
            pattern: as there.
            choices: as there.
            alternatives: as there.

        Raises:
            UsageError: as there.
        """
        other = copy.copy(self)
        other._set_rules(combine(length, pattern, choices), min_confidence, alternatives)
        return other

    def _set_rules(
        self, constraint: Constraint | None, min_confidence: float | None, alternatives: int
    ) -> None:
        self.min_confidence = (
            self.model.min_confidence if min_confidence is None else min_confidence
        )
        self._rules = Rules(constraint, self.min_confidence, alternatives, self.model.calibration)

    def read(self, source: ImageSource) -> Reading:
        """Reads one picture.

        Args:
            source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).

        Raises:
            ImageReadError: it cannot be opened or decoded.
            NoDigitError: there is no number on it, or none that the constraints allow.
            ModelError: a model does not give what it must for it.
        """
        name = source_name(source)
        found = self._find(source, name)
        if isinstance(found, ImageError):
            raise found
        reading = self._reading(name, found, self.model.run([line.image for line in found.lines]))
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
        found = [
            source if isinstance(source, ImageError) else self._find(source, name)
            for source, name in zip(fetched(sources), names, strict=True)
        ]
        # All lines at once: they share the network's batches.
        images = [
            line.image
            for picture in found
            if not isinstance(picture, ImageError)
            for line in picture.lines
        ]
        columns = iter(self.model.run(images))
        return [
            Reading(name, None, None, (), str(picture))
            if isinstance(picture, ImageError)
            else self._reading(name, picture, [next(columns) for _ in picture.lines])
            for picture, name in zip(found, names, strict=True)
        ]

    def _find(self, source: ImageSource, name: str | None) -> _Found | ImageError:
        """Decodes a picture and finds its lines; the picture itself is let go."""
        try:
            pixels, size = decode_with_size(source, name)
        except ImageError as error:
            return type(error)(str(error))  # without its traceback, which holds the picture
        height, width = pixels.shape[:2]
        return _Found(self.finder.find(pixels), (size[0] / width, size[1] / height), size)

    def _reading(self, name: str | None, found: _Found, columns: Sequence[LineColumns]) -> Reading:
        numbers, looks_like = read(found.lines, columns, self._rules, found.scale, found.size)
        if not numbers:
            return Reading(name, None, None, (), _no_number(name, looks_like), found.size)
        confidence = 1.0
        for number in numbers:
            confidence *= number.confidence
        rows = itertools.groupby(numbers, key=lambda number: number.row)
        text = "\n".join(" ".join(number.text for number in row) for _, row in rows)
        return Reading(name, text, confidence, tuple(numbers), None, found.size)


def _no_number(name: str | None, looks_like: str) -> str:
    if looks_like:
        return (
            f"{name or 'image'}: no number that --length, --pattern and --choices allow (looks "
            f"like {looks_like})"
        )
    return f"{name or 'image'}: no digit found; nothing stands out from the background"
