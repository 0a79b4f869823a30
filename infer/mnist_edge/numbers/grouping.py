"""The symbols of a line -> numbers: split at wide gaps and at what is no digit, then searched.

The most probable path says roughly where symbols are. What lies between two splits is searched for
its best readings.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import BLANK, OTHER
from mnist_edge.numbers.constraints import Constraint
from mnist_edge.numbers.ctc import Decoding, Hypothesis, Symbol, decode

__all__ = ["LineSymbols", "best_path", "search_line"]

_COLUMN, _UNIT = 2, 32
"""Pixels of a line's image: of a column, and of the unit of the boxes."""


@dataclass(frozen=True)
class _Limits:
    """Gaps that separate two numbers."""

    of_height: float = 0.9
    """Wider than this part of the digits' height, and ..."""

    of_typical: float = 2.2
    """... than this many typical gaps of the line: digits in boxes stand apart evenly."""

    single: float = 1.8
    """Between two symbols alone, a gap wider than this part of their height."""

    most_joined: int = 8
    """Groups of a line that are tried together, where a constraint asks for it."""

    joined: float = 0.5
    """A number across a gap is so much less probable."""

    left_out: float = 1e-4
    """Probability of a group that is no number that the constraint allows."""


_LIMITS = _Limits()

_LEAST_ACCEPTED = 1e-9
"""Probability of all that a constraint allows below which nothing is seen of it."""


@dataclass(frozen=True)
class LineSymbols:
    """Symbols of a line's most probable path, and what the network said of each column.

    Attributes:
        probabilities: float32 ``[T, 17]``.
        boxes: float32 ``[T, 4]``, in units of 32 pixels, around the column.
        symbols: from left to right.
    """

    probabilities: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    symbols: tuple[Symbol, ...]

    @classmethod
    def of(
        cls, probabilities: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]
    ) -> LineSymbols:
        """The symbols of what the network said."""
        return cls(probabilities, boxes, tuple(best_path(probabilities)))

    def box(self, column: int) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the symbol at a column, pixels of the line's image."""
        middle = (column + 0.5) * _COLUMN
        left, top, right, bottom = (_UNIT * self.boxes[column].astype(np.float64)).tolist()
        edges = middle - left, top, middle + right, bottom
        return edges if all(map(math.isfinite, edges)) else (middle - 8.0, 4.0, middle + 8.0, 28.0)


def best_path(probabilities: npt.NDArray[np.float32]) -> list[Symbol]:
    """The symbols of the most probable path, which is nearly always the best reading.

    Args:
        probabilities: float32 ``[T, C]``.
    """
    kinds = probabilities.argmax(axis=1)
    begins = np.flatnonzero((kinds != np.concatenate(([BLANK], kinds[:-1]))) & (kinds != BLANK))
    symbols = []
    for begin in begins.tolist():
        kind = int(kinds[begin])
        end = begin + 1
        while end < len(kinds) and kinds[end] == kind:
            end += 1
        column = begin + int(probabilities[begin:end, kind].argmax())
        symbols.append(Symbol(kind, column, float(probabilities[column, kind])))
    return symbols


def search_line(
    line: LineSymbols, constraint: Constraint | None, count: int
) -> tuple[list[Decoding], list[str]]:
    """Searches a line for its numbers.

    Args:
        line: its symbols.
        constraint: that a number must meet; None = any.
        count: hypotheses of each number, at most.

    Returns:
        what was found of each number, from left to right, at least one hypothesis with a digit
        each; and the digits of what the constraint does not allow.
    """
    found: list[Decoding] = []
    rejected: list[str] = []
    for groups in _groups(line):
        if constraint is None:
            decodings = [_search(line, groups, i, i + 1, None, count) for i in range(len(groups))]
        else:
            decodings, left_out = _best_partition(line, groups, constraint, count)
            rejected += left_out
        found += [
            decoding
            for decoding in decodings
            if decoding.hypotheses and decoding.hypotheses[0].text
        ]
    return found, rejected


_Group = list[int]
"""Symbols that stand together, by their positions in the line."""


def _groups(line: LineSymbols) -> list[list[_Group]]:
    """Groups of symbols between wide gaps, for each part of the line without other symbols."""
    parts: list[list[int]] = [[]]
    for position, symbol in enumerate(line.symbols):
        if symbol.kind == OTHER:
            parts.append([])
        else:
            parts[-1].append(position)
    parts = [part for part in parts if any(line.symbols[place].digit is not None for place in part)]
    boxes = {place: line.box(line.symbols[place].column) for part in parts for place in part}
    return [_split(part, boxes, line) for part in parts]


def _split(
    part: list[int], boxes: dict[int, tuple[float, float, float, float]], line: LineSymbols
) -> list[_Group]:
    digits = [place for place in part if line.symbols[place].digit is not None]
    height = float(np.median([boxes[place][3] - boxes[place][1] for place in digits]))
    gaps = [boxes[after][0] - boxes[before][2] for before, after in itertools.pairwise(part)]
    if len(gaps) == 1:
        widest = _LIMITS.single * height
    elif gaps:
        typical = float(np.median(gaps))
        widest = max(_LIMITS.of_height * height, _LIMITS.of_typical * typical)
    groups = [[part[0]]]
    for gap, place in zip(gaps, part[1:], strict=True):
        if gap > widest:
            groups.append([])
        groups[-1].append(place)
    return groups


def _columns(line: LineSymbols, groups: list[_Group], first: int, last: int) -> slice:
    """The columns of some groups: up to half-way to the symbols beside them."""
    symbols = line.symbols
    begin, end = groups[first][0], groups[last - 1][-1]
    left = 0 if begin == 0 else (symbols[begin - 1].column + symbols[begin].column + 1) // 2
    right = len(line.probabilities)
    if end + 1 < len(symbols):
        right = (symbols[end].column + symbols[end + 1].column + 1) // 2
    return slice(left, right)


def _search(
    line: LineSymbols,
    groups: list[_Group],
    first: int,
    last: int,
    constraint: Constraint | None,
    count: int,
) -> Decoding:
    columns = _columns(line, groups, first, last)
    decoding = decode(line.probabilities[columns], constraint, count)
    return Decoding(
        tuple(_moved(hypothesis, columns.start) for hypothesis in decoding.hypotheses),
        decoding.accepted,
    )


def _moved(hypothesis: Hypothesis, columns: int) -> Hypothesis:
    symbols = tuple(
        Symbol(symbol.kind, symbol.column + columns, symbol.confidence)
        for symbol in hypothesis.symbols
    )
    return Hypothesis(hypothesis.text, hypothesis.probability, symbols)


def _best_partition(
    line: LineSymbols, groups: list[_Group], constraint: Constraint, count: int
) -> tuple[list[Decoding], list[str]]:
    """Groups joined to numbers that a constraint allows, the most probable way to do it.

    Returns:
        the numbers; and the digits of the groups that are left out.
    """
    most = _LIMITS.most_joined
    # best[i]: the first i groups: logarithm of its probability, where the last part begins, its
    # number (None = left out).
    best: list[tuple[float, int, Decoding | None]] = [(0.0, 0, None)]
    for end in range(1, len(groups) + 1):
        left_out_value = best[end - 1][0] + math.log(_LIMITS.left_out)
        candidates: list[tuple[float, int, Decoding | None]] = [(left_out_value, end - 1, None)]
        for begin in range(max(0, end - most), end):
            decoding = _search(line, groups, begin, end, constraint, count)
            if decoding.hypotheses and decoding.accepted > _LEAST_ACCEPTED:
                value = math.log(decoding.accepted) + math.log(_LIMITS.joined) * (end - begin - 1)
                candidates.append((best[begin][0] + value, begin, decoding))
        best.append(max(candidates, key=lambda candidate: candidate[0]))
    found: list[Decoding] = []
    left_out: list[str] = []
    end = len(groups)
    while end > 0:
        _, begin, number = best[end]
        if number is None:
            left_out.append(_digits(line, groups[begin]))
        else:
            found.append(number)
        end = begin
    return found[::-1], left_out[::-1]


def _digits(line: LineSymbols, group: _Group) -> str:
    return "".join(
        str(digit) for place in group if (digit := line.symbols[place].digit) is not None
    )
