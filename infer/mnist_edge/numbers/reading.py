"""What a picture's lines say: digits with boxes, gathered into numbers, in reading order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import DIGIT_CLASSES, OTHER, SEPARATORS
from mnist_edge.numbers.constraints import Constraint
from mnist_edge.numbers.ctc import Decoded, Run, align, best_path, search
from mnist_edge.numbers.line_model import LineOutput
from mnist_edge.numbers.text_line import LINE_HEIGHT, TextLine

__all__ = ["Alternative", "Box", "Number", "ReadDigit", "Separator", "numbers_of"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the picture after its EXIF orientation."""

_COLUMN = 2
_GAP = 1.25
"""Digits farther apart than this, of their height, are two numbers."""

_SHARED = 0.4
"""Numbers of a row share at least this part of the lower one's height with the row's first."""

_LIKELY = 0.01
"""Readings that fit a constraint and are less probable in all make the best of them less sure."""

_INSIDE = 0.5
"""Columns of a symbol at this part of its highest probability say where its box is."""


@dataclass(frozen=True)
class ReadDigit:
    """A digit of a number.

    Attributes:
        digit: 0 to 9; None = below the threshold, ``?`` in the text.
        confidence: 0..1.
        box: its box in the picture.
    """

    digit: int | None
    confidence: float
    box: Box


@dataclass(frozen=True)
class Separator:
    """A mark between digits.

    Attributes:
        text: one of ``.,-/:``.
        confidence: 0..1.
        box: its box in the picture.
        after: digits of the number that stand before it.
    """

    text: str
    confidence: float
    box: Box
    after: int


@dataclass(frozen=True)
class Alternative:
    """Another reading of a number.

    Attributes:
        text: its digits.
        confidence: 0..1.
    """

    text: str
    confidence: float


@dataclass(frozen=True)
class Number:
    """A number in a picture.

    Attributes:
        text: its digits, leading zeros kept; ``?`` for a digit below the threshold.
        confidence: that all of it is right, 0..1, calibrated.
        box: round its digits, in the picture.
        row: 0 for the first row of numbers, and so on downwards.
        digits: from left to right.
        separators: marks between them, which are not part of the text.
        alternatives: other readings, the most probable first.
    """

    text: str
    confidence: float
    box: Box
    row: int
    digits: tuple[ReadDigit, ...]
    separators: tuple[Separator, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "box": _rounded(self.box),
            "row": self.row,
            "digits": [
                {
                    "digit": digit.digit,
                    "confidence": round(digit.confidence, 6),
                    "box": _rounded(digit.box),
                }
                for digit in self.digits
            ],
            "separators": [
                {
                    "text": mark.text,
                    "confidence": round(mark.confidence, 6),
                    "box": _rounded(mark.box),
                    "after": mark.after,
                }
                for mark in self.separators
            ],
            "alternatives": [
                {"text": other.text, "confidence": round(other.confidence, 6)}
                for other in self.alternatives
            ],
        }


def _rounded(box: Box) -> list[float]:
    return [round(side, 1) for side in box]


@dataclass(frozen=True)
class _Found:
    """A number before its row is known.

    Attributes:
        line: index of its line.
        number: with row 0.
    """

    line: int
    number: Number


def numbers_of(
    lines: Sequence[TextLine],
    outputs: Sequence[LineOutput],
    size: tuple[int, int],
    *,
    constraint: Constraint | None = None,
    calibration: tuple[float, float] = (1.0, 0.0),
    min_confidence: float = 0.5,
    alternatives: int = 3,
) -> list[Number]:
    """Gathers what the lines of one picture say.

    Args:
        lines: of the picture.
        outputs: what the network says of each.
        size: width and height of the picture, pixels.
        constraint: on the digits of each number.
        calibration: see `mnist_edge.numbers.line_model.LineModel.calibration`.
        min_confidence: a less certain digit is ``?``.
        alternatives: other readings of each number, at most.

    Returns:
        the numbers, row by row, from left to right.
    """
    found = [
        _Found(index, number)
        for index, (line, output) in enumerate(zip(lines, outputs, strict=True))
        for number in _LineReading(
            line, output, size, constraint, calibration, min_confidence, alternatives
        ).numbers()
    ]
    rows = _rows([(lines[item.line], item.number) for item in found])
    order = sorted(
        range(len(found)), key=lambda i: (rows[i], found[i].number.box[0] + found[i].number.box[2])
    )
    return [_in_row(found[i].number, rows[i]) for i in order]


def _in_row(number: Number, row: int) -> Number:
    return Number(**{**vars(number), "row": row})


def _rows(found: Sequence[tuple[TextLine, Number]]) -> list[int]:
    """The row of each number: those that overlap in height are of one, whatever lies between."""
    if not found:
        return []
    # Slanted as the lines are, so that a row is level.
    angle = float(np.median([math.atan2(*line.to_picture[::-1, 0]) for line, _ in found]))
    cos, sin = math.cos(angle), math.sin(angle)
    spans = []
    for line, number in found:
        height = LINE_HEIGHT * 0.75 * math.hypot(*line.to_picture[:, 0])
        left, top, right, bottom = number.box
        middle = (top + bottom) / 2 * cos - (left + right) / 2 * sin
        spans.append((middle - height / 2, middle + height / 2))
    rows = [0] * len(spans)
    row, current = -1, (-math.inf, -math.inf)
    for i in sorted(range(len(spans)), key=lambda i: sum(spans[i])):
        top, bottom = spans[i]
        shared = min(bottom, current[1]) - max(top, current[0])
        if shared < _SHARED * min(bottom - top, current[1] - current[0]):
            row, current = row + 1, (top, bottom)
        rows[i] = row
    return rows


class _LineReading:
    """One line: its symbols, cut into numbers, each searched for its best readings."""

    def __init__(
        self,
        line: TextLine,
        output: LineOutput,
        size: tuple[int, int],
        constraint: Constraint | None,
        calibration: tuple[float, float],
        min_confidence: float,
        alternatives: int,
    ) -> None:
        self._line, self._output, self._size = line, output, size
        self._constraint, self._calibration = constraint, calibration
        self._min_confidence, self._alternatives = min_confidence, alternatives

    def numbers(self) -> list[Number]:
        """From left to right."""
        numbers = []
        for first, last in self._parts(best_path(self._output.probabilities)):
            probabilities = self._without_others(self._output.probabilities[first:last])
            readings = search(probabilities, self._constraint, self._alternatives + 4)
            number = self._number(probabilities, readings, first)
            if number is not None:
                numbers.append(number)
        return numbers

    def _parts(self, runs: list[Run]) -> list[tuple[int, int]]:
        """Columns of each number: lines are cut where another symbol stands, and at wide gaps."""
        parts: list[list[Run]] = [[]]
        for run in runs:
            if run.label == OTHER:
                parts.append([])
                continue
            if parts[-1] and self._are_apart(parts[-1][-1], run):
                parts.append([])
            parts[-1].append(run)
        kept = [part for part in parts if any(run.label in DIGIT_CLASSES for run in part)]
        # Up to the middle between neighbours: a faint symbol may stand there.
        others = [(run.first, run.last) for run in runs if run.label == OTHER]
        spans = sorted([(part[0].first, part[-1].last) for part in kept] + others)
        columns = len(self._output.probabilities)
        cut: list[tuple[int, int]] = []
        for number, (first, last) in enumerate(spans):
            before = spans[number - 1][1] if number else -first
            after = spans[number + 1][0] if number + 1 < len(spans) else 2 * columns - last
            if (first, last) not in others:
                cut.append((-((-first - before) // 2), (last + after) // 2))
        return cut

    def _are_apart(self, left: Run, right: Run) -> bool:
        one, other = self._strip_box(left), self._strip_box(right)
        tall = max(one[3] - one[1], other[3] - other[1], LINE_HEIGHT * 0.4)
        return other[0] - one[2] > _GAP * tall

    def _without_others(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What is not a digit, a separator or a blank is a blank here."""
        mixed = probabilities.copy()
        mixed[:, 0] += mixed[:, OTHER]
        mixed[:, OTHER] = 0
        return mixed

    def _number(
        self, probabilities: npt.NDArray[np.float32], readings: list[Decoded], first: int
    ) -> Number | None:
        texts = _by_text(readings)
        if not texts or not next(iter(texts)):
            return None
        total = sum(texts.values())
        # Normalized over the constraint; a set of unlikely readings makes none of them certain.
        doubt = 1.0 if self._constraint is None else min(1.0, math.sqrt(total / _LIKELY))
        norm = 1.0 if self._constraint is None else total
        ranked = sorted(texts.items(), key=lambda item: -item[1])
        best = next(r for r in readings if _digits(r) == ranked[0][0])
        runs = align(probabilities, best.labels)
        digits, marks = self._symbols(runs, first)
        if not digits:
            return None
        others = [
            Alternative(text, self._calibrated(p / norm) * doubt)
            for text, p in ranked[1 : self._alternatives + 1]
            if text
        ]
        boxes = np.array([digit.box for digit in digits])
        low, high = boxes.min(axis=0).tolist(), boxes.max(axis=0).tolist()
        text = "".join("?" if d.digit is None else str(d.digit) for d in digits)
        confidence = self._calibrated(ranked[0][1] / norm) * doubt
        return Number(
            text,
            confidence,
            (low[0], low[1], high[2], high[3]),
            0,
            tuple(digits),
            tuple(marks),
            tuple(others),
        )

    def _symbols(self, runs: list[Run], first: int) -> tuple[list[ReadDigit], list[Separator]]:
        digits: list[ReadDigit] = []
        marks: list[Separator] = []
        for run in runs:
            shifted = run._replace(first=run.first + first, last=run.last + first)
            box = self._box(shifted)
            if run.label in DIGIT_CLASSES:
                digit = run.label - DIGIT_CLASSES.start
                is_sure = run.probability >= self._min_confidence
                digits.append(ReadDigit(digit if is_sure else None, run.probability, box))
            else:
                marks.append(Separator(SEPARATORS[run.label], run.probability, box, len(digits)))
        return digits, marks

    def _strip_box(self, run: Run) -> Box:
        """A symbol's box in the line's image: the mean of what its columns say."""
        levels = self._output.probabilities[run.first : run.last, run.label]
        weights = np.where(levels >= _INSIDE * levels.max(), levels, 0)
        left, top, right, bottom = (
            weights @ self._output.boxes[run.first : run.last] / weights.sum() * LINE_HEIGHT
        ).tolist()
        middle = (weights @ (np.arange(run.first, run.last) + 0.5)) / weights.sum() * _COLUMN
        return middle - left, top, middle + right, bottom

    def _box(self, run: Run) -> Box:
        left, top, right, bottom = self._strip_box(run)
        corners = np.array([[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]])
        xs, ys = self._line.to_picture @ corners
        width, height = self._size
        return (
            float(np.clip(xs.min(), 0, width)),
            float(np.clip(ys.min(), 0, height)),
            float(np.clip(xs.max(), 0, width)),
            float(np.clip(ys.max(), 0, height)),
        )

    def _calibrated(self, probability: float) -> float:
        """Platt's sigmoid on the log-odds."""
        a, b = self._calibration
        p = min(max(probability, 1e-9), 1 - 1e-9)
        return 1 / (1 + math.exp(-a * math.log(p / (1 - p)) - b))


def _digits(reading: Decoded) -> str:
    return "".join(
        str(label - DIGIT_CLASSES.start) for label in reading.labels if label in DIGIT_CLASSES
    )


def _by_text(readings: Sequence[Decoded]) -> dict[str, float]:
    """Probability of each sequence of digits, whatever the marks between them."""
    texts: dict[str, float] = {}
    for reading in readings:
        text = _digits(reading)
        texts[text] = texts.get(text, 0.0) + reading.probability
    return texts
