r"""What a number may look like: its length, a pattern, or a list to choose from.

Each is a deterministic automaton over the ten digits, so that it acts inside the search for the
best reading. A state is any hashable value; a step that leads nowhere gives None.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Protocol

from mnist_edge.errors import UsageError

__all__ = ["Choices", "Constraint", "Length", "Pattern", "combine"]

_MOST_COPIES = 64
"""Repetitions that a pattern may ask for."""

_LARGEST_LIST = 64 << 20
"""Bytes of a list of choices."""


class Constraint(Protocol):
    """An automaton over digits."""

    @property
    def start(self) -> Hashable:
        """The state before the first digit."""

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """The state after one more digit; None = no number goes on like that."""

    def accepts(self, state: Hashable) -> bool:
        """Whether a number may end here."""


class Length:
    """Numbers of so many digits.

    Args:
        least, most: digits.
    """

    start = 0

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    @classmethod
    def parse(cls, text: str) -> Length:
        """Reads ``5`` or ``2-8``.

        Raises:
            UsageError: it is neither.
        """
        found = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", text)
        if found is None:
            raise UsageError(
                f"--length {text}: must be a number of digits, as 5, or a range, as 2-8"
            )
        least, most = int(found[1]), int(found[2] or found[1])
        if not 1 <= least <= most:
            raise UsageError(f"--length {text}: must be at least 1, and the smaller number first")
        return cls(least, most)

    def step(self, state: Hashable, digit: int) -> Hashable | None:  # noqa: ARG002
        """As `Constraint.step`."""
        assert isinstance(state, int)
        return state + 1 if state < self.most else None

    def accepts(self, state: Hashable) -> bool:
        """As `Constraint.accepts`."""
        assert isinstance(state, int)
        return self.least <= state


class Choices:
    """The numbers of a list, as a trie.

    Args:
        numbers: of digits alone.

    Raises:
        UsageError: there is none.
    """

    start = 0

    def __init__(self, numbers: Iterable[str]) -> None:
        self._steps: list[dict[int, int]] = [{}]
        self._ends: set[int] = set()
        for number in numbers:
            state = 0
            for digit in map(int, number):
                following = self._steps[state].get(digit)
                if following is None:
                    following = len(self._steps)
                    self._steps[state][digit] = following
                    self._steps.append({})
                state = following
            self._ends.add(state)
        if not self._ends:
            raise UsageError("--choices: the list is empty")

    @classmethod
    def read(cls, path: Path) -> Choices:
        """Reads a file with a number on each line; spaces and other separators are left out.

        Raises:
            UsageError: it cannot be read, or a line has no digit.
        """
        try:
            if path.stat().st_size > _LARGEST_LIST:
                raise UsageError(f"--choices {path}: larger than {_LARGEST_LIST >> 20} MiB")
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise UsageError(f"--choices {path}: cannot be read ({reason})") from error
        numbers = []
        for count, line in enumerate(lines, 1):
            if not line.strip():
                continue
            digits = re.sub(r"[\s.,:/'-]", "", line)
            if not re.fullmatch("[0-9]+", digits):
                raise UsageError(f"--choices {path}: line {count} is not a number")
            numbers.append(digits)
        if not numbers:
            raise UsageError(f"--choices {path}: there is no number in it")
        return cls(numbers)

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """As `Constraint.step`."""
        assert isinstance(state, int)
        return self._steps[state].get(digit)

    def accepts(self, state: Hashable) -> bool:
        """As `Constraint.accepts`."""
        return state in self._ends


class Pattern:
    r"""Numbers that match a regular expression of digits.

    Digits, ``\d``, ``.``, ``[0-4]``, ``[^5]``, groups, ``|``, ``?``, ``*``, ``+``, ``{2}``,
    ``{2,}``, ``{2,5}``. It becomes an automaton with many states at once (Thompson 1968).

    Args:
        text: the expression.

    Raises:
        UsageError: it is not one of these.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._edges: list[list[tuple[frozenset[int] | None, int]]] = []
        self._place = 0
        first, last = self._alternatives()
        if self._place < len(text):
            raise self._error("there is a ) too much")
        self._end = last
        self.start: Hashable = self._closure([first])

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """As `Constraint.step`."""
        assert isinstance(state, frozenset)
        reached = [
            target
            for node in state
            for digits, target in self._edges[node]
            if digits is not None and digit in digits
        ]
        return self._closure(reached) or None

    def accepts(self, state: Hashable) -> bool:
        """As `Constraint.accepts`."""
        assert isinstance(state, frozenset)
        return self._end in state

    def _closure(self, nodes: Iterable[int]) -> frozenset[int]:
        """The nodes, and those that need no digit to be reached."""
        seen: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += [target for digits, target in self._edges[node] if digits is None]
        return frozenset(seen)

    def _node(self) -> int:
        self._edges.append([])
        if len(self._edges) > 100_000:
            raise self._error("it is too large")
        return len(self._edges) - 1

    def _error(self, reason: str) -> UsageError:
        return UsageError(
            rf"--pattern {self._text}: {reason}; digits, \d, ., [0-4], groups, |, ?, *, + and "
            "{2,5} can be used"
        )

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _alternatives(self) -> tuple[int, int]:
        first, last = self._node(), self._node()
        while True:
            start, end = self._sequence()
            self._edges[first].append((None, start))
            self._edges[end].append((None, last))
            if self._peek() != "|":
                return first, last
            self._place += 1

    def _sequence(self) -> tuple[int, int]:
        first = last = self._node()
        while (symbol := self._peek()) and symbol not in "|)":
            begin = self._place
            start, end = self._atom()
            kinds = self._repetitions()
            after = self._place
            for number, kind in enumerate(kinds):
                if number:  # another copy of the same
                    self._place = begin
                    start, end = self._atom()
                following = self._node()
                self._edges[last].append((None, start))
                self._edges[end].append((None, following))
                if kind != "once":
                    self._edges[last].append((None, following))
                if kind == "loop":
                    self._edges[end].append((None, start))
                last = following
            self._place = after
        return first, last

    def _repetitions(self) -> list[str]:
        """How often the last atom comes: a kind for each copy of it."""
        found = _REPEAT.match(self._text, self._place)
        if found is None:
            return ["once"]
        self._place = found.end()
        least, most = {"?": (0, 1), "*": (0, -1), "+": (1, -1)}.get(found[0], (0, 0))
        if found[1] is not None:
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else -1
        if 0 <= most < max(least, 1) or max(least, most) > _MOST_COPIES:
            raise self._error(f"{found[0]} cannot be used")
        return ["once"] * least + (["loop"] if most < 0 else ["optional"] * (most - least))

    def _atom(self) -> tuple[int, int]:
        symbol = self._peek()
        self._place += 1
        if symbol == "(":
            if self._text.startswith("?:", self._place):
                self._place += 2
            first, last = self._alternatives()
            if self._peek() != ")":
                raise self._error("a ) is missing")
            self._place += 1
            return first, last
        digits = self._digits(symbol)
        first, last = self._node(), self._node()
        self._edges[first].append((digits, last))
        return first, last

    def _digits(self, symbol: str) -> frozenset[int]:
        if symbol.isascii() and symbol.isdecimal():
            return frozenset([int(symbol)])
        if symbol == ".":
            return frozenset(range(10))
        if symbol == "\\" and self._peek() == "d":
            self._place += 1
            return frozenset(range(10))
        if symbol == "[" and (found := _SET.match(self._text, self._place)):
            self._place = found.end()
            chosen: set[int] = set()
            for low, high in re.findall(r"([0-9])(?:-([0-9]))?", found[2].replace(r"\d", "0-9")):
                chosen |= set(range(int(low), int(high or low) + 1))
            return frozenset(range(10)) - chosen if found[1] else frozenset(chosen)
        raise self._error(f"{symbol} cannot be used")


_REPEAT = re.compile(r"[?*+]|\{([0-9]{1,2})(,([0-9]{1,2})?)?\}")
_SET = re.compile(r"(\^?)((?:[0-9](?:-[0-9])?|\\d)+)\]")


class _All:
    """Several constraints at once."""

    def __init__(self, parts: list[Constraint]) -> None:
        self._parts = parts
        self.start: Hashable = tuple(part.start for part in parts)

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        assert isinstance(state, tuple)
        states = [part.step(s, digit) for part, s in zip(self._parts, state, strict=True)]
        return None if any(s is None for s in states) else tuple(states)

    def accepts(self, state: Hashable) -> bool:
        assert isinstance(state, tuple)
        return all(part.accepts(s) for part, s in zip(self._parts, state, strict=True))


def combine(parts: Iterable[Constraint | None]) -> Constraint | None:
    """One constraint of several; None where there is none."""
    given = [part for part in parts if part is not None]
    if len(given) < 2:
        return given[0] if given else None
    return _All(given)
