"""What a network saw on the lines of a picture -> numbers, with boxes in pixels of the picture.

::

    columns -> symbols -> groups at gaps -> search -> boxes -> rows
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import OTHER, SEPARATORS
from mnist_edge.numbers.constraints import Constraint
from mnist_edge.numbers.ctc import Decoding, Hypothesis, Symbol
from mnist_edge.numbers.grouping import LineSymbols, search_line
from mnist_edge.numbers.rows import rows_of
from mnist_edge.numbers.text_line import TextLine

__all__ = ["Alternative", "Box", "LineColumns", "Number", "ReadDigit", "Rules", "Separator", "read"]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels of the upright picture; the corner of the picture is (0, 0)."""

_DOUBT = 1e-3
"""Prior probability that the number on the picture is none of those that a constraint allows."""

_CERTAIN, _DOUBTFUL = 0.6, 0.2
"""Beside a number of the first confidence, one below the second is none."""

_IN_WORD, _CLOSE = 2, 0.5
"""So many digits at most, nearer to a letter than this part of their height, are letters too."""

_LEAST, _MOST = 1e-6, 1 - 1e-6
"""Probabilities nearer to 0 or 1 count as these."""


class LineColumns(Protocol):
    """What the network of lines says of one line.

    Attributes:
        probabilities: float32 ``[T, 17]``: of each class in each column of 2 pixels.
        boxes: float32 ``[T, 4]``: of the symbol at each column, units of 32 pixels: its left edge
            to the left of the column's middle, its top, its right edge to the right, its bottom.
    """

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """As above."""

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """As above."""


@dataclass(frozen=True)
class ReadDigit:
    """One digit of a number.

    Attributes:
        digit: 0 to 9; None = below the threshold, ``?`` in the number's text.
        confidence: calibrated probability that it is right, 0..1.
        box: left, top, right, bottom, in pixels of the picture after EXIF orientation.
    """

    digit: int | None
    confidence: float
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``digit``, ``confidence``, ``box``."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 6),
            "box": [*self.box],
        }


@dataclass(frozen=True)
class Separator:
    """A mark within a number, or beside it, that is no digit of it.

    Attributes:
        text: ``.``, ``,``, ``-``, ``/`` or ``:``.
        confidence: probability of the mark, 0..1.
        box: as in `ReadDigit`.
        after: digits of the number before it.
    """

    text: str
    confidence: float
    box: Box
    after: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``text``, ``confidence``, ``box``, ``after``."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "box": [*self.box],
            "after": self.after,
        }


@dataclass(frozen=True)
class Alternative:
    """Another reading of a number.

    Attributes:
        text: its digits.
        confidence: probability that it is the right one, 0..1.
    """

    text: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``text``, ``confidence``."""
        return {"text": self.text, "confidence": round(self.confidence, 6)}


@dataclass(frozen=True)
class Number:
    """One number of a picture.

    Attributes:
        text: its digits, leading zeros too; ``?`` for one that is not certain enough.
        confidence: calibrated probability that all of its digits are right, 0..1.
        box: around its digits: left, top, right, bottom, in pixels of the picture after EXIF
            orientation.
        row: rows are counted from 0, from the top.
        digits: from left to right.
        alternatives: the next best readings, the best first.
        separators: marks between its digits, from left to right.
    """

    text: str
    confidence: float
    box: Box
    row: int
    digits: tuple[ReadDigit, ...]
    alternatives: tuple[Alternative, ...] = ()
    separators: tuple[Separator, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: every attribute by its name."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "box": [*self.box],
            "row": self.row,
            "digits": [digit.to_dict() for digit in self.digits],
            "alternatives": [alternative.to_dict() for alternative in self.alternatives],
            "separators": [separator.to_dict() for separator in self.separators],
        }


@dataclass(frozen=True)
class Rules:
    """How numbers are made of what the network saw.

    Attributes:
        constraint: that a number must meet; None = any number.
        min_confidence: a digit below it is ``?``, 0..1.
        alternatives: further readings of each number, at most.
        calibration: a and b of a confidence, sigmoid(a * logit(probability) + b).
    """

    constraint: Constraint | None = None
    min_confidence: float = 0.0
    alternatives: int = 3
    calibration: tuple[float, float] = (1.0, 0.0)

    def calibrated(self, probability: float) -> float:
        """The confidence that a probability deserves (Platt scaling: Platt 1999)."""
        probability = min(max(probability, _LEAST), _MOST)
        slope, offset = self.calibration
        logit = slope * math.log(probability / (1 - probability)) + offset
        return 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))


def read(
    lines: Sequence[TextLine],
    columns: Sequence[LineColumns],
    rules: Rules,
    scale: tuple[float, float],
    size: tuple[int, int],
) -> tuple[list[Number], str]:
    """Reads the numbers on the lines of one picture.

    A number of which no digit is certain enough is none.

    Args:
        lines: of the picture, in any order.
        columns: what the network said of each.
        rules: how numbers are made.
        scale: pixels of the original picture in one of the picture that the lines were found in,
            horizontally and vertically.
        size: width and height of the original picture, pixels.

    Returns:
        numbers by rows, then from left to right; and what the picture looks like where a constraint
        allows none of its numbers, empty where it does not matter.
    """
    numbers: list[Number] = []
    in_words: list[Number] = []
    looks_like: list[str] = []
    row = 0
    for members in rows_of([line.to_picture for line in lines], [_width(line) for line in lines]):
        found: list[Number] = []
        for index in members:
            symbols = LineSymbols.of(columns[index].probabilities, columns[index].boxes)
            decodings, rejected = search_line(symbols, rules.constraint, rules.alternatives + 1)
            looks_like += rejected
            place = _Place(lines[index].to_picture, symbols, scale, size)
            for decoding in decodings:
                number = _number(decoding, place, row, rules)
                if number is not None and number.confidence >= lines[index].least_confidence:
                    found.append(number)
                    in_words += [number] if _is_in_word(decoding, symbols) else []
        numbers += found
        row += bool(found)
    return _without_doubtful(numbers, in_words), " ".join(looks_like)


def _is_in_word(decoding: Decoding, line: LineSymbols) -> bool:
    """Whether a digit or two stand close beside letters: an o or l in a word looks like one."""
    columns = [symbol.column for symbol in decoding.hypotheses[0].symbols]
    if len(decoding.hypotheses[0].text) > _IN_WORD or not columns:
        return False
    left, top, _, bottom = line.box(columns[0])
    right = line.box(columns[-1])[2]
    others = [line.box(symbol.column) for symbol in line.symbols if symbol.kind == OTHER]
    gaps = (max(box[0] - right, left - box[2]) for box in others)
    return min(gaps, default=math.inf) < _CLOSE * (bottom - top)


def _without_doubtful(numbers: list[Number], in_words: list[Number]) -> list[Number]:
    """Leaves out what is hardly a number beside one that is: printed words, the edge of a form."""
    kept = [number for number in numbers if number not in in_words] or numbers
    best = max((number.confidence for number in kept), default=0.0)
    if best >= _CERTAIN:
        kept = [number for number in kept if number.confidence >= _DOUBTFUL]
    rows = {row: index for index, row in enumerate(sorted({number.row for number in kept}))}
    return [dataclasses.replace(number, row=rows[number.row]) for number in kept]


def _width(line: TextLine) -> int:
    return int(line.image.shape[1])


@dataclass(frozen=True)
class _Place:
    """Where a line's symbols are in the original picture."""

    to_picture: npt.NDArray[np.float64]
    symbols: LineSymbols
    scale: tuple[float, float]
    size: tuple[int, int]

    def box(self, column: int) -> Box:
        """The box of a column's symbol.

        Of a slanted line it is that of the ellipse within the slanted box: the upright box around
        all corners would reach far into the neighbours.
        """
        left, top, right, bottom = self.symbols.box(column)
        matrix = self.to_picture
        x, y = matrix @ ((left + right) / 2, (top + bottom) / 2, 1.0)
        half = (right - left) / 2, (bottom - top) / 2
        wide, tall = (math.hypot(row[0] * half[0], row[1] * half[1]) for row in matrix)
        across, down = self.scale
        width, height = self.size
        x0 = min(max(round((x - wide) * across), 0), width - 1)
        y0 = min(max(round((y - tall) * down), 0), height - 1)
        x1 = min(max(round((x + wide) * across), x0 + 1), width)
        y1 = min(max(round((y + tall) * down), y0 + 1), height)
        return x0, y0, x1, y1


def _number(decoding: Decoding, place: _Place, row: int, rules: Rules) -> Number | None:
    """The number of the best hypothesis; None where no digit of it is certain enough."""
    best, *others = decoding.hypotheses
    # A constraint that hardly anything on the picture meets is a wrong one.
    belief = decoding.accepted / (decoding.accepted + _DOUBT * (1 - decoding.accepted))
    if rules.constraint is None:
        belief = 1.0
    confidence = rules.calibrated(best.probability * belief)
    digits, separators = _digits_and_separators(best, place, belief, rules)
    text = "".join("?" if digit.digit is None else str(digit.digit) for digit in digits)
    if not text.strip("?"):
        return None
    boxes = [digit.box for digit in digits]
    left, top, right, bottom = zip(*boxes, strict=True)
    rest = (1 - confidence) / max(1 - best.probability * belief, _LEAST)
    return Number(
        text,
        confidence,
        (min(left), min(top), max(right), max(bottom)),
        row,
        digits,
        tuple(
            Alternative(other.text, min(1.0, other.probability * belief * rest))
            for other in others
            if other.text
        ),
        separators,
    )


def _digits_and_separators(
    best: Hypothesis, place: _Place, belief: float, rules: Rules
) -> tuple[tuple[ReadDigit, ...], tuple[Separator, ...]]:
    digits: list[ReadDigit] = []
    separators: list[Separator] = []
    for symbol in best.symbols:
        if (digit := symbol.digit) is not None:
            confidence = rules.calibrated(symbol.confidence * belief)
            is_certain = confidence >= rules.min_confidence
            digits.append(
                ReadDigit(digit if is_certain else None, confidence, place.box(symbol.column))
            )
        elif symbol.kind in SEPARATORS:
            separators.append(_separator(symbol, place, len(digits)))
    return tuple(digits), tuple(separators)


def _separator(symbol: Symbol, place: _Place, after: int) -> Separator:
    return Separator(SEPARATORS[symbol.kind], symbol.confidence, place.box(symbol.column), after)
