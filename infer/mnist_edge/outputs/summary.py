"""Summary of a run of `predict`: predictions by class and confidence, errors, speed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mnist_edge.outputs.formats import Answer
from mnist_edge.types import DIGITS

__all__ = ["DigitSummary", "NumberSummary", "Summary", "skipped_line"]

_BINS = 10
_BAR = 40


@dataclass
class Summary:
    """Counts results as they come.

    Attributes:
        confidences: of all pictures that were read, in tenths.
        answered: pictures with an answer.
        errors: pictures without one.
        resumed: how many of all of these an earlier run had done.
        skipped: files that are hidden, or whose name is not a picture's.
        unsorted: pictures that could not be put into the folder of their class.
        missing: what pictures without an answer lack.
        done: what was done with a picture.
    """

    confidences: list[int] = field(default_factory=lambda: [0] * _BINS)
    answered: int = 0
    errors: int = 0
    resumed: int = 0
    skipped: int = 0
    unsorted: int = 0
    missing: str = "answer"
    done: str = "done"
    _started: float = field(default_factory=time.perf_counter)

    def add(self, answers: Sequence[Answer], confidences: Iterable[float | None]) -> None:
        """Counts some results."""
        for answer in answers:
            if answer is None:
                self.errors += 1
            else:
                self.answered += 1
                self._count(answer)
        for confidence in confidences:
            if confidence is not None:
                self.confidences[min(_BINS - 1, int(confidence * _BINS))] += 1

    def _count(self, answer: int | str) -> None:
        """Counts one answer for what a command adds to the summary."""

    def _details(self) -> list[str]:
        """What a command adds to the summary."""
        return []

    @property
    def pictures(self) -> int:
        """Number of pictures counted, those without an answer included."""
        return self.answered + self.errors

    def lines(self) -> list[str]:
        """The summary, for a person."""
        seconds = time.perf_counter() - self._started
        rate = (self.pictures - self.resumed) / seconds if seconds else 0.0
        lines = [
            f"{self.pictures:,} pictures, {self.errors:,} without a {self.missing}, "
            f"{rate:,.0f} pictures a second",
        ]
        if self.resumed:
            lines.append(f"{self.resumed:,} of them were {self.done} before")
        if self.skipped:
            lines.append(skipped_line(self.skipped))
        if self.unsorted:
            lines.append(f"{self.unsorted:,} pictures could not be sorted")
        lines += ["", *self._details()]
        tenths = [f"{i / _BINS:.1f} to {(i + 1) / _BINS:.1f}" for i in range(_BINS)]
        return [*lines, "", *_histogram("confidence", tenths, self.confidences)]


class DigitSummary(Summary):
    """Counts predictions, by class.

    Args:
        labels: names of the classes.
    """

    def __init__(self, labels: tuple[str, ...] = DIGITS) -> None:
        super().__init__(missing="prediction", done="predicted")
        self.labels = labels
        self.digits = [0] * len(labels)

    def _count(self, answer: int | str) -> None:
        assert isinstance(answer, int)
        self.digits[answer] += 1

    def _details(self) -> list[str]:
        title = "digit" if self.labels == DIGITS else "class"
        return _histogram(title, self.labels, self.digits)


class NumberSummary(Summary):
    """Counts the numbers that were read, by their length."""

    def __init__(self) -> None:
        super().__init__(missing="number", done="read")
        self.lengths: Counter[int] = Counter()
        self.uncertain = 0

    def _count(self, answer: int | str) -> None:
        numbers = str(answer).split()
        self.lengths.update(map(len, numbers))
        self.uncertain += sum("?" in number for number in numbers)

    def _details(self) -> list[str]:
        total = sum(self.lengths.values())
        shown = sorted(self.lengths)
        return [
            f"{total:,} numbers, {self.uncertain:,} of them with an uncertain digit (?)",
            "",
            *_histogram(
                "digits", [*map(str, shown)], [self.lengths[length] for length in shown], "numbers"
            ),
        ]


def skipped_line(count: int) -> str:
    """One line about files that a folder walk skipped."""
    return f"{count:,} files skipped: hidden, or without the file extension of a picture"


def _histogram(
    title: str, labels: Sequence[str], counts: Sequence[int], unit: str = "pictures"
) -> list[str]:
    longest = max(1, *counts)
    width = max(10, *map(len, labels))
    return [f"{title:>{width}}  {unit:>9}"] + [
        f"{label:>{width}}  {count:>9,}  {'#' * -(-_BAR * count // longest)}"
        for label, count in zip(labels, counts, strict=True)
    ]
