"""The columns that a network saw -> the most probable readings of a line, with their probabilities.

CTC (Graves et al. 2006): a path has one class for each column; repeated classes are one symbol, and
blanks are none. Many paths give one reading, and their sum is its probability. Prefix beam search
(Graves and Jaitly 2014; Hannun et al. 2014) sums them for the readings that are worth it, from left
to right, and only for those that a constraint allows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import BLANK, DIGIT_CLASSES
from mnist_edge.numbers.constraints import Constraint

__all__ = ["Decoding", "Hypothesis", "Symbol", "decode"]

Probabilities = npt.NDArray[np.float32]
"""float32 ``[T, C]``: of each class in each column; rows sum to 1."""

_FIRST_DIGIT, _LAST_DIGIT = DIGIT_CLASSES[0], DIGIT_CLASSES[-1]


@dataclass(frozen=True)
class _Limits:
    """What is left out of a search."""

    floor: float
    """Classes that are less probable in a column."""

    beam: int
    """Prefixes that are kept after a column."""

    kept: float
    """Prefixes that are less probable than this part of the best one."""


_FREE = _Limits(floor=2e-3, beam=12, kept=1e-3)
_CONSTRAINED = _Limits(floor=1e-4, beam=32, kept=1e-7)
"""With a constraint, the reading that is sought may be an improbable one."""


@dataclass(frozen=True)
class Symbol:
    """One symbol of a line.

    Attributes:
        kind: its class (see `mnist_edge.numbers.alphabet`), never blank.
        column: where it is most probable.
        confidence: probability that it stands at its place in the number, 0..1: of all readings
            that agree in it. Of a separator, its probability in its column.
    """

    kind: int
    column: int
    confidence: float

    @property
    def digit(self) -> int | None:
        """The digit; None for a separator, or anything else."""
        is_digit = _FIRST_DIGIT <= self.kind <= _LAST_DIGIT
        return self.kind - _FIRST_DIGIT if is_digit else None


@dataclass(frozen=True)
class Hypothesis:
    """One reading of a line.

    Attributes:
        text: its digits.
        probability: of this number among those that the constraint allows, 0..1.
        symbols: digits, separators and anything else, from left to right.
    """

    text: str
    probability: float
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True)
class Decoding:
    """What a line may say.

    Attributes:
        hypotheses: the best first; none where the constraint allows none of them.
        accepted: probability of all that the constraint allows, 0..1; near 1 without one.
    """

    hypotheses: tuple[Hypothesis, ...]
    accepted: float


def decode(
    probabilities: Probabilities,
    constraint: Constraint | None = None,
    count: int = 4,
    beam: int | None = None,
) -> Decoding:
    """Finds the most probable numbers of a line.

    Args:
        probabilities: float32 ``[T, C]``.
        constraint: on the digits alone; None = any number.
        count: hypotheses to return at most.
        beam: prefixes that are kept after a column; None = few, and more with a constraint.
    """
    limits = _FREE if constraint is None else _CONSTRAINED
    most = limits.beam if beam is None else beam
    root = _Prefix(None, BLANK, None if constraint is None else constraint.start)
    root.after_blank = 1.0
    prefixes, log_scale, last = [root], 0.0, -1
    blanks, columns = _columns(probabilities, limits.floor)
    for column, blank, classes in columns:
        if column > last + 1:
            for prefix in prefixes:
                prefix.end_symbol()
        last = column
        prefixes, total = _extended(prefixes, column, blank, classes, constraint)
        if total <= 0:
            return Decoding((), 0.0)
        log_scale += math.log(total)
        if len(prefixes) > 1:
            prefixes = _pruned(prefixes, limits.kept, most)
    return _collected(prefixes, math.exp(blanks + log_scale), probabilities, constraint, count)


class _Prefix:
    """A reading of the columns so far, and the probability of the paths that give it.

    Attributes:
        parent: without its last symbol.
        kind: class of its last symbol; blank = there is none.
        state: of the constraint.
        after_blank, after_symbol: probability of its paths that end with a blank, with the symbol.
        next_blank, next_symbol: the same after the column that is being looked at.
        column: where the last symbol is most probable; `peak` is how much, among all readings.
        children: prefixes that are longer by one symbol, by its class; None = impossible.
        is_touched: it is in the next beam.
    """

    __slots__ = (
        "after_blank",
        "after_symbol",
        "children",
        "column",
        "is_touched",
        "kind",
        "next_blank",
        "next_symbol",
        "parent",
        "peak",
        "state",
    )

    def __init__(self, parent: _Prefix | None, kind: int, state: Hashable) -> None:
        self.parent, self.kind, self.state = parent, kind, state
        self.after_blank = self.after_symbol = self.next_blank = self.next_symbol = self.peak = 0.0
        self.column = -1
        self.children: dict[int, _Prefix | None] = {}
        self.is_touched = False

    @property
    def mass(self) -> float:
        """Probability of all its paths."""
        return self.after_blank + self.after_symbol

    def end_symbol(self) -> None:
        """Follows columns that are surely blank: the next symbol is a new one, even if the same."""
        self.after_blank += self.after_symbol
        self.after_symbol = 0.0

    def child(self, kind: int, constraint: Constraint | None) -> _Prefix | None:
        """The prefix with one more symbol; None where the constraint allows none."""
        if kind in self.children:
            return self.children[kind]
        state: Hashable | None = self.state
        if constraint is not None and _FIRST_DIGIT <= kind <= _LAST_DIGIT:
            state = constraint.step(state, kind - _FIRST_DIGIT)
        impossible = constraint is not None and state is None
        child = None if impossible else _Prefix(self, kind, state)
        self.children[kind] = child
        return child


_Column = tuple[int, float, list[tuple[int, float]]]
"""Its index, the probability of blank, and the classes that are worth it with theirs."""


def _columns(probabilities: Probabilities, floor: float) -> tuple[float, list[_Column]]:
    """The columns that are not surely blank; and the logarithm of the others' probability."""
    is_worth_it = probabilities >= floor
    is_worth_it[:, BLANK] = False
    is_active = is_worth_it.any(axis=1)
    blank = probabilities[:, BLANK]
    skipped = float(np.log(np.maximum(blank[~is_active], 1e-30)).sum())
    active = np.flatnonzero(is_active)
    values = probabilities[active]
    columns: dict[int, _Column] = {
        place: (column, sure, [])
        for place, (column, sure) in enumerate(
            zip(active.tolist(), values[:, BLANK].tolist(), strict=True)
        )
    }
    rows, kinds = np.nonzero(is_worth_it[active])
    for row, kind, value in zip(
        rows.tolist(), kinds.tolist(), values[rows, kinds].tolist(), strict=True
    ):
        columns[row][2].append((kind, value))
    return skipped, [*columns.values()]


def _extended(
    beam: list[_Prefix],
    column: int,
    blank: float,
    classes: list[tuple[int, float]],
    constraint: Constraint | None,
) -> tuple[list[_Prefix], float]:
    """Follows all prefixes through a column.

    Returns:
        the prefixes, whose probabilities sum to 1; and what they did sum to.
    """
    touched = []
    for prefix in beam:
        mass = prefix.after_blank + prefix.after_symbol
        prefix.next_blank += mass * blank
        if not prefix.is_touched:
            prefix.is_touched = True
            touched.append(prefix)
        for kind, value in classes:
            if kind == prefix.kind:
                prefix.next_symbol += prefix.after_symbol * value
                added = prefix.after_blank * value
            else:
                added = mass * value
            if not added:
                continue
            child = prefix.child(kind, constraint)
            if child is None:
                continue
            child.next_symbol += added
            if not child.is_touched:
                child.is_touched = True
                touched.append(child)
    total = sum(prefix.next_blank + prefix.next_symbol for prefix in touched)
    for prefix in touched:
        if total > 0:
            prefix.after_blank = prefix.next_blank / total
            prefix.after_symbol = prefix.next_symbol / total
        if prefix.after_symbol > prefix.peak:
            prefix.peak, prefix.column = prefix.after_symbol, column
        prefix.next_blank = prefix.next_symbol = 0.0
        prefix.is_touched = False
    return touched, total


def _pruned(beam: list[_Prefix], least_part: float, most: int) -> list[_Prefix]:
    """The prefixes that are worth following; what is dropped begins anew if it is met again."""
    masses = [prefix.after_blank + prefix.after_symbol for prefix in beam]
    least = least_part * max(masses)
    kept = [prefix for prefix, mass in zip(beam, masses, strict=True) if mass >= least]
    if len(kept) > most:
        kept.sort(key=lambda prefix: -prefix.mass)
        del kept[most:]
    return kept


def _collected(
    beam: list[_Prefix],
    scale: float,
    probabilities: Probabilities,
    constraint: Constraint | None,
    count: int,
) -> Decoding:
    """Sums the prefixes of the same digits, and takes the best."""
    masses: dict[str, float] = {}
    best: dict[str, _Prefix] = {}
    for prefix in beam:
        if constraint is None or constraint.accepts(prefix.state):
            text = "".join(
                str(link.kind - _FIRST_DIGIT)
                for link in _links(prefix)
                if _FIRST_DIGIT <= link.kind <= _LAST_DIGIT
            )
            masses[text] = masses.get(text, 0.0) + prefix.mass
            if text not in best or prefix.mass > best[text].mass:
                best[text] = prefix
    accepted = sum(masses.values())
    if accepted <= 0:
        return Decoding((), 0.0)
    shares = {
        text: mass / accepted for text, mass in sorted(masses.items(), key=lambda entry: -entry[1])
    }
    hypotheses = tuple(
        Hypothesis(text, share, _symbols(text, best[text], shares, probabilities))
        for text, share in itertools.islice(shares.items(), count)
    )
    return Decoding(hypotheses, min(1.0, accepted * scale))


def _links(prefix: _Prefix) -> list[_Prefix]:
    """A prefix and all that it continues, the first symbol first."""
    links = []
    link: _Prefix | None = prefix
    while link is not None and link.kind != BLANK:
        links.append(link)
        link = link.parent
    return links[::-1]


def _symbols(
    text: str, prefix: _Prefix, shares: dict[str, float], probabilities: Probabilities
) -> tuple[Symbol, ...]:
    symbols = []
    digits = 0
    for link in _links(prefix):
        if _FIRST_DIGIT <= link.kind <= _LAST_DIGIT:
            confidence = _agreeing(text, digits, shares)
            digits += 1
        else:
            confidence = float(probabilities[link.column, link.kind])
        symbols.append(Symbol(link.kind, link.column, min(1.0, confidence)))
    return tuple(symbols)


def _agreeing(text: str, place: int, shares: dict[str, float]) -> float:
    """Probability of the readings that have the same digit at a place, counted from either end."""
    before, after = text[: place + 1], text[place:]
    return sum(
        share
        for other, share in shares.items()
        if (len(other) == len(text) and other[place] == text[place])
        or other.startswith(before)
        or other.endswith(after)
    )
