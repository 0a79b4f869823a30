"""How well numbers are read: whole numbers, digits, boxes, confidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from mnist_edge.errors import ImageError
from mnist_edge_trainer.evaluation.metrics import (
    ConfidenceBin,
    bin_by_confidence,
    calibration_error,
    wilson_interval,
)
from mnist_edge_trainer.numbers.test_sets.records import Box, NumberPicture

__all__ = [
    "CONFIDENT",
    "OVERLAP",
    "Answer",
    "NumberScores",
    "ReadFunction",
    "Result",
    "digits_of",
    "edit_distance",
    "overlap",
    "read_all",
    "reliability",
    "score",
]

CONFIDENT = 0.9
"""Confidence above which a wrong number is one that nobody will look at again."""

OVERLAP = 0.7
"""Intersection over union from which a digit counts as located."""


@dataclass(frozen=True)
class Answer:
    """What a reader reads in one picture.

    Attributes:
        digits: all of them, in reading order; of what is read, nothing but digits.
        confidence: 0..1.
        boxes: where the digits lie, pixels of the picture; empty where the reader has none.
    """

    digits: str
    confidence: float
    boxes: tuple[Box, ...] = ()


ReadFunction: TypeAlias = Callable[[NumberPicture], Answer]
"""A reader. It raises an `ImageError` where it finds no number."""


@dataclass(frozen=True)
class Result:
    """One picture, read.

    Attributes:
        text: the number in the picture.
        digits: what was read; empty where no number was found.
        confidence: 0..1.
        errors: digits that must be replaced, deleted or inserted to get from one to the other.
        located: digits of the picture that some box overlaps enough (see `OVERLAP`).
        seconds: that reading took, from the file's bytes on.
    """

    text: str
    digits: str
    confidence: float
    errors: int
    located: int
    seconds: float

    @property
    def is_correct(self) -> bool:
        """Whether every digit is right, and none too many."""
        return self.digits == self.text


@dataclass(frozen=True, kw_only=True)
class NumberScores:
    """Scores on pictures of one number each.

    Attributes:
        pictures: how many.
        correct: pictures of which every digit is right, and none too many.
        correct_interval: 95 % Wilson score interval of their share, fractions.
        digit_error_rate: digits to be replaced, deleted or inserted, per digit in the pictures;
            where they have none, the digits that were read.
        confidently_wrong: share of the pictures that are wrong, with a confidence over `CONFIDENT`.
        located: share of the digits with an intersection over union of at least `OVERLAP`.
        ece: expected calibration error of the confidences (see `Scores.ece`).
        milliseconds: that a picture takes, median.
    """

    pictures: int
    correct: int
    correct_interval: tuple[float, float]
    digit_error_rate: float
    confidently_wrong: float
    located: float
    ece: float
    milliseconds: float

    @property
    def accuracy(self) -> float:
        """Share of the pictures that are read without any mistake."""
        return self.correct / self.pictures

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, for JSON."""
        return {"accuracy": self.accuracy, **asdict(self)}


def read_all(read: ReadFunction, pictures: Iterable[NumberPicture]) -> list[Result]:
    """Reads pictures one by one, and compares with their truth."""
    results = []
    for picture in pictures:
        begun = time.perf_counter()
        try:
            answer = read(picture)
        except ImageError:
            answer = Answer("", 0.0)
        seconds = time.perf_counter() - begun
        results.append(
            Result(
                text=picture.text,
                digits=answer.digits,
                confidence=answer.confidence,
                errors=edit_distance(picture.text, answer.digits),
                located=sum(
                    any(overlap(box, found) >= OVERLAP for found in answer.boxes)
                    for box in picture.boxes
                ),
                seconds=seconds,
            )
        )
    return results


def score(results: Sequence[Result]) -> NumberScores:
    """Scores what was read of at least one picture."""
    correct = sum(result.is_correct for result in results)
    digits = sum(len(result.text) for result in results)
    wrong = sum(not result.is_correct and result.confidence > CONFIDENT for result in results)
    return NumberScores(
        pictures=len(results),
        correct=correct,
        correct_interval=wilson_interval(correct, len(results)),
        digit_error_rate=sum(result.errors for result in results) / max(1, digits),
        confidently_wrong=wrong / len(results),
        located=sum(result.located for result in results) / max(1, digits),
        ece=calibration_error(reliability(results)),
        milliseconds=1e3 * float(np.median([result.seconds for result in results])),
    )


def reliability(results: Sequence[Result]) -> list[ConfidenceBin]:
    """Sorts what was read by its confidence."""
    return bin_by_confidence(
        np.array([result.confidence for result in results]),
        np.array([result.is_correct for result in results]),
    )


def digits_of(text: str) -> str:
    """The digits of a text, 0 to 9, in order; all else is left out."""
    return "".join(letter for letter in text if letter in "0123456789")


def edit_distance(one: str, other: str) -> int:
    """Counts the insertions, deletions and replacements between two texts (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, row[0] = row[0], place
        for column, letter_there in enumerate(other, 1):
            best = min(row[column] + 1, row[column - 1] + 1, before + (letter != letter_there))
            before, row[column] = row[column], best
    return row[-1]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)
