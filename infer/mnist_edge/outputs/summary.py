"""Summary of a run of `predict`: predictions by class and confidence, errors, speed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mnist_edge.types import DIGITS

__all__ = ["Summary", "skipped_line"]

_BINS = 10
_BAR = 40


@dataclass
class Summary:
    """Counts predictions as they come.

    Attributes:
        labels: names of the classes.
        digits: predictions, by class.
        confidences: of all pictures that were read, in tenths.
        errors: pictures without a prediction.
        resumed: how many of all of these an earlier run had predicted.
        skipped: files that are hidden, or whose name is not a picture's.
        unsorted: pictures that could not be put into the folder of their class.
    """

    labels: tuple[str, ...] = DIGITS
    digits: list[int] = field(init=False)
    confidences: list[int] = field(default_factory=lambda: [0] * _BINS)
    errors: int = 0
    resumed: int = 0
    skipped: int = 0
    unsorted: int = 0
    _started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.digits = [0] * len(self.labels)

    def add(self, digits: Iterable[int | None], confidences: Iterable[float | None]) -> None:
        """Counts some predictions."""
        for digit in digits:
            if digit is None:
                self.errors += 1
            else:
                self.digits[digit] += 1
        for confidence in confidences:
            if confidence is not None:
                self.confidences[min(_BINS - 1, int(confidence * _BINS))] += 1

    @property
    def pictures(self) -> int:
        """Number of pictures counted, those without a prediction included."""
        return sum(self.digits) + self.errors

    def lines(self) -> list[str]:
        """The summary, for a person."""
        seconds = time.perf_counter() - self._started
        rate = (self.pictures - self.resumed) / seconds if seconds else 0.0
        lines = [
            f"{self.pictures:,} pictures, {self.errors:,} without a prediction, "
            f"{rate:,.0f} pictures a second",
        ]
        if self.resumed:
            lines.append(f"{self.resumed:,} of them were predicted before")
        if self.skipped:
            lines.append(skipped_line(self.skipped))
        if self.unsorted:
            lines.append(f"{self.unsorted:,} pictures could not be sorted")
        title = "digit" if self.labels == DIGITS else "class"
        lines += ["", *_histogram(title, self.labels, self.digits)]
        tenths = [f"{i / _BINS:.1f} to {(i + 1) / _BINS:.1f}" for i in range(_BINS)]
        return [*lines, "", *_histogram("confidence", tenths, self.confidences)]


def skipped_line(count: int) -> str:
    """One line about files that a folder walk skipped."""
    return f"{count:,} files skipped: hidden, or without the file extension of a picture"


def _histogram(title: str, labels: Sequence[str], counts: list[int]) -> list[str]:
    longest = max(1, *counts)
    width = max(10, *map(len, labels))
    return [f"{title:>{width}}  {'pictures':>9}"] + [
        f"{label:>{width}}  {count:>9,}  {'#' * -(-_BAR * count // longest)}"
        for label, count in zip(labels, counts, strict=True)
    ]
