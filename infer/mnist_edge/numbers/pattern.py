r"""Regular expressions over the ten digits, as automata.

Parsed to a nondeterministic automaton (Thompson 1968: "Regular expression search algorithm"), whose
sets of states are the states of a deterministic one, made as they are needed. It takes linear time
for every pattern and every number, which backtracking does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from mnist_edge.errors import UsageError

__all__ = ["Pattern"]

_MOST_STATES = 20_000
"""Of the nondeterministic automaton: nested repetitions would have no end."""

_DEEPEST = 40
"""Groups inside groups."""

_ALL = frozenset(range(10))

_States = frozenset[int]


class Pattern:
    r"""Numbers that a regular expression matches as a whole.

    It may have digits, ``\d``, sets like ``[0-4]`` and ``[^13]``, ``.``, groups, ``|``, ``?``,
    ``*``, ``+``, ``{5}``, ``{2,8}`` and ``{2,}``; ``^`` and ``$`` at the ends change nothing.

    Args:
        text: the expression.

    Raises:
        UsageError: it has something else, or grows too large.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        automaton = _Automaton(text)
        first, self._last = _Parser(text, automaton).whole()
        self._automaton = automaton
        self._steps: dict[tuple[_States, int], _States] = {}
        self.start: _States = automaton.closure([first])
        if not any(self.step(self.start, digit) for digit in _ALL):
            raise UsageError(f"--pattern {text}: no number matches it")

    def step(self, state: Hashable, digit: int) -> _States | None:
        """As in `Constraint`."""
        assert isinstance(state, frozenset)
        key = state, digit
        reached = self._steps.get(key)
        if reached is None:
            edges = self._automaton.edges
            reached = self._automaton.closure(
                edge[1] for number in state if (edge := edges[number]) and digit in edge[0]
            )
            self._steps[key] = reached
        return reached or None

    def accepts(self, state: Hashable) -> bool:
        """As in `Constraint`."""
        assert isinstance(state, frozenset)
        # No number is empty.
        return self._last in state and state is not self.start

    def __reduce__(self) -> tuple[type[Pattern], tuple[str]]:
        return Pattern, (self.text,)


class _Automaton:
    """States of the nondeterministic automaton, by number.

    Attributes:
        edges: of each state, the digits that leave it and the state they lead to; or None.
        free: of each state, those that it leads to without a digit.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.edges: list[tuple[frozenset[int], int] | None] = []
        self.free: list[list[int]] = []

    def state(self) -> int:
        """Adds a state."""
        if len(self.edges) == _MOST_STATES:
            raise UsageError(f"--pattern {self._text}: too large; repeat less")
        self.edges.append(None)
        self.free.append([])
        return len(self.edges) - 1

    def closure(self, states: Iterable[int]) -> _States:
        """The states that are reached from some without a digit, themselves included."""
        waiting = list(states)
        found = set(waiting)
        while waiting:
            for following in self.free[waiting.pop()]:
                if following not in found:
                    found.add(following)
                    waiting.append(following)
        return frozenset(found)


_Fragment = tuple[int, int]
"""A part of the automaton: its first and its last state."""


class _Parser:
    """Recursive descent: one method for each level of precedence, each adds a fragment.

    A repeated part is parsed once for each copy of it.
    """

    def __init__(self, text: str, automaton: _Automaton) -> None:
        self._text, self._automaton = text, automaton
        self._begin = 1 if text.startswith("^") else 0
        self._at, self._depth = self._begin, 0
        ends = text.endswith("$") and not text.endswith("\\$")
        self._end = len(text) - 1 if ends else len(text)

    def whole(self) -> _Fragment:
        fragment = self._alternatives()
        if self._at < self._end:
            raise self._error(f"the {self._text[self._at]!r} closes nothing")
        return fragment

    def _peek(self) -> str:
        return self._text[self._at] if self._at < self._end else ""

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _error(self, reason: str) -> UsageError:
        return UsageError(
            f"--pattern {self._text}: {reason}; digits, \\d, [0-4], ., groups, |, ?, *, + and "
            "{2,8} are understood"
        )

    def _alternatives(self) -> _Fragment:
        fragments = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            fragments.append(self._sequence())
        if len(fragments) == 1:
            return fragments[0]
        first, last = self._automaton.state(), self._automaton.state()
        for begin, end in fragments:
            self._automaton.free[first].append(begin)
            self._automaton.free[end].append(last)
        return first, last

    def _sequence(self) -> _Fragment:
        first = last = self._automaton.state()
        while self._peek() not in ("", "|", ")"):
            begin, end = self._repeated()
            self._automaton.free[last].append(begin)
            last = end
        return first, last

    def _repeated(self) -> _Fragment:
        begin_of_part = self._at
        fragment = self._part()
        end_of_part = self._at
        least, most = self._repetitions()
        if self._peek() in ("?", "*", "+", "{"):
            raise self._error(f"{self._peek()!r} follows a repetition")
        end_of_repetition = self._at
        if (least, most) == (1, 1):
            return fragment
        free = self._automaton.free
        first, last = self._automaton.state(), self._automaton.state()
        place = first
        for number in range(max(least, most or 1, 1)):
            if number > 0:
                self._at, self._end, end = begin_of_part, end_of_part, self._end
                fragment = self._part()
                self._end = end
            begin, end_of_copy = fragment
            free[place].append(begin)
            if number >= least:
                free[place].append(last)
            place = end_of_copy
            if most is None and number >= least - 1:
                free[place].append(begin)
        if most == 0:  # a part that is never there
            last = first
        else:
            free[place].append(last)
        self._at = end_of_repetition
        return first, last

    def _repetitions(self) -> tuple[int, int | None]:
        """How often a part stands there; the second is None where there is no limit."""
        sign = self._peek()
        simple: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
        if sign in simple:
            self._at += 1
            return simple[sign]
        if sign != "{":
            return 1, 1
        closed = self._text.find("}", self._at, self._end)
        inside = self._text[self._at + 1 : closed] if closed >= 0 else ""
        low, comma, high = inside.partition(",")
        bounds = [number for number in (low, high) if number]
        is_number = all(n.isascii() and n.isdigit() and len(n) <= 4 for n in bounds)
        if not low or not is_number:
            raise self._error("a { needs numbers and a }, as in {5} or {2,8}")
        self._at = closed + 1
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if most is not None and most < least:
            raise self._error(f"{{{inside}}} begins with the larger number")
        return least, most

    def _part(self) -> _Fragment:
        character = self._next()
        if character == "(":
            return self._group()
        if character in ("?", "*", "+", "{"):
            raise self._error(f"{character!r} repeats nothing")
        first, last = self._automaton.state(), self._automaton.state()
        self._automaton.edges[first] = self._digits(character), last
        return first, last

    def _group(self) -> _Fragment:
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise self._error("(? begins something that is not understood")
            self._at += 2
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} groups inside one another")
        fragment = self._alternatives()
        self._depth -= 1
        if self._next() != ")":
            raise self._error("a ) is missing")
        return fragment

    def _digits(self, character: str) -> frozenset[int]:
        """The digits that one place may have."""
        if character == ".":
            return _ALL
        if character == "[":
            return self._set()
        if character == "\\":
            escaped = self._next()
            if escaped == "d":
                return _ALL
            raise self._error(f"'\\{escaped}' is no digit")
        if character in "0123456789":
            return frozenset({int(character)})
        raise self._error(f"{character!r} is no digit; separators are not part of a number")

    def _set(self) -> frozenset[int]:
        is_negated = self._peek() == "^"
        self._at += is_negated
        digits: set[int] = set()
        while (character := self._next()) != "]":
            if not character:
                raise self._error("a ] is missing")
            found = self._digits(character) if character not in ".[" else frozenset()
            if not found:
                raise self._error(f"{character!r} is no digit")
            if self._peek() == "-":
                self._at += 1
                high = self._next()
                if len(found) != 1 or high not in tuple("0123456789") or int(high) < min(found):
                    raise self._error("a range goes from a digit to a larger one")
                found = frozenset(range(min(found), int(high) + 1))
            digits |= found
        allowed = _ALL - digits if is_negated else frozenset(digits)
        if not allowed:
            raise self._error("a set without a digit")
        return allowed
