"""Which numbers are possible: deterministic automata over the ten digits.

A search goes on with a reading only while some possible number begins like it, so a constraint
decides between readings while they are made. Separators are no part of a number here: ``12.50`` is
four digits.
"""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mnist_edge.errors import UsageError
from mnist_edge.numbers.pattern import Pattern

__all__ = ["Both", "Choices", "Constraint", "Length", "Pattern", "combine"]

_MOST_DIGITS = 99
"""Of a number that is asked for; no line has as many."""

_LARGEST_FILE = 64 << 20
"""Bytes of a file of numbers."""

_SEPARATORS = str.maketrans("", "", " \t.,-/:'")
"""What may stand between the digits of a number in a file."""


class Constraint(Protocol):
    """An automaton: it has a state, which each digit changes, until no number can come of it."""

    @property
    def start(self) -> Hashable:
        """The state before the first digit."""

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """The state after one more digit, 0 to 9; None = no possible number begins so."""

    def accepts(self, state: Hashable) -> bool:
        """Whether the digits so far are a possible number."""


@dataclass(frozen=True)
class Length:
    """Numbers of some length; the state is the number of digits so far.

    Attributes:
        least, most: digits; at least 1.
    """

    least: int
    most: int
    start: int = 0

    @classmethod
    def parse(cls, text: str | int) -> Length:
        """Parses ``5`` or ``2-8``.

        Raises:
            UsageError: it is neither.
        """
        found = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?", str(text))
        if found is None:
            raise UsageError(f"--length {text}: not a number of digits; give 5, or 2-8")
        least = int(found[1])
        most = least if found[2] is None else int(found[2])
        if not 1 <= least <= most <= _MOST_DIGITS:
            raise UsageError(
                f"--length {text}: from 1 to {_MOST_DIGITS} digits, the smaller number first"
            )
        return cls(least, most)

    def step(self, state: Hashable, digit: int) -> int | None:  # noqa: ARG002 - any digit will do
        """As in `Constraint`."""
        assert isinstance(state, int)
        return state + 1 if state < self.most else None

    def accepts(self, state: Hashable) -> bool:
        """As in `Constraint`."""
        assert isinstance(state, int)
        return self.least <= state


class Choices:
    """Some numbers that are listed; the state is the digits so far.

    They are kept sorted, which answers the questions of a trie in less memory.

    Args:
        numbers: digits; separators between them do not count.
        name: where they come from, for errors.

    Raises:
        UsageError: one is no number, or there is none.
    """

    start = ""

    def __init__(self, numbers: Iterable[str], name: str = "choices") -> None:
        found = set()
        for number in numbers:
            digits = number.translate(_SEPARATORS)
            if not digits:
                continue
            if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
                shown = number if len(number) <= 40 else f"{number[:40]}..."
                raise UsageError(
                    f"{name}: {shown!r} is no number; give one number a line, of digits alone"
                )
            found.add(digits)
        if not found:
            raise UsageError(f"{name}: no number in it; give one number a line")
        self.numbers: Sequence[str] = sorted(found)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Choices:
        """Reads a text file of one number a line.

        Raises:
            UsageError: it cannot be read, or holds something else.
        """
        name = os.fsdecode(path)
        try:
            with open(path, "rb") as file:
                content = file.read(_LARGEST_FILE + 1)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--choices {name}: cannot be read ({reason})") from error
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"--choices {name}: larger than {_LARGEST_FILE >> 20} MiB")
        text = content.decode("utf-8-sig", errors="backslashreplace")
        return cls((line.strip() for line in text.splitlines()), f"--choices {name}")

    def step(self, state: Hashable, digit: int) -> str | None:
        """As in `Constraint`."""
        prefix = f"{state}{digit}"
        return prefix if self._first_from(prefix).startswith(prefix) else None

    def accepts(self, state: Hashable) -> bool:
        """As in `Constraint`."""
        assert isinstance(state, str)
        return state != "" and self._first_from(state) == state

    def _first_from(self, prefix: str) -> str:
        """The first number that is not before `prefix`; empty where all are."""
        place = bisect.bisect_left(self.numbers, prefix)
        return self.numbers[place] if place < len(self.numbers) else ""


class Both:
    """Numbers that two constraints allow; the state is the pair of theirs.

    Args:
        first, second: both must hold.
    """

    def __init__(self, first: Constraint, second: Constraint) -> None:
        self._first, self._second = first, second
        self.start: Hashable = (first.start, second.start)

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """As in `Constraint`."""
        assert isinstance(state, tuple)
        first = self._first.step(state[0], digit)
        if first is None:
            return None
        second = self._second.step(state[1], digit)
        return None if second is None else (first, second)

    def accepts(self, state: Hashable) -> bool:
        """As in `Constraint`."""
        assert isinstance(state, tuple)
        return self._first.accepts(state[0]) and self._second.accepts(state[1])


def combine(
    length: str | int | None = None,
    pattern: str | None = None,
    choices: str | os.PathLike[str] | Iterable[str] | None = None,
) -> Constraint | None:
    """The one constraint that some options make together.

    Args:
        length: number of digits, ``5`` or ``2-8``.
        pattern: regular expression of the whole number (see `Pattern`).
        choices: path of a text file with one number a line, or the numbers themselves.

    Returns:
        None where nothing is constrained.

    Raises:
        UsageError: one of them cannot be understood, or the file cannot be read.
    """
    parts: list[Constraint] = []
    if length is not None:
        parts.append(Length.parse(length))
    if pattern is not None:
        parts.append(Pattern(pattern))
    if isinstance(choices, str | os.PathLike):
        parts.append(Choices.read(choices))
    elif choices is not None:
        parts.append(Choices(choices))
    combined: Constraint | None = None
    for part in parts:
        combined = part if combined is None else Both(combined, part)
    return combined
