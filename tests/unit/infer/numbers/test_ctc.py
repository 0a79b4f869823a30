"""Prefix search agrees with the sum over all paths, which is counted by force for tiny lines."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mnist_edge.numbers.alphabet import BLANK, CLASSES
from mnist_edge.numbers.constraints import Choices, Constraint, Length, Pattern
from mnist_edge.numbers.ctc import decode
from tests.unit.infer.numbers.columns import columns, spaced


def tiny_line(seed: int, kinds: list[int], count: int = 4) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    line = np.zeros((count, CLASSES), np.float32)
    line[:, kinds] = rng.dirichlet(np.full(len(kinds), 2.0), count)
    return line


def by_force(line: npt.NDArray[np.float32]) -> dict[str, float]:
    """Probability of the digits of every path."""
    kinds = [kind for kind in range(CLASSES) if line[:, kind].any()]
    total: dict[str, float] = defaultdict(float)
    for path in itertools.product(kinds, repeat=len(line)):
        probability = math.prod(float(line[t, kind]) for t, kind in enumerate(path))
        symbols = [kind for kind, _ in itertools.groupby(path) if kind != BLANK]
        total["".join(str(kind - 1) for kind in symbols if 1 <= kind <= 10)] += probability
    return total


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds", [[0, 2, 5], [0, 3, 12], [0, 10, 16]])
@pytest.mark.parametrize(
    ("constraint", "allows"),
    [
        (None, lambda _: True),
        (Length(1, 2), lambda text: 1 <= len(text) <= 2),
        (Pattern("[14]4?"), lambda text: text in ("1", "4", "14", "44")),
        (Choices(["2", "22", "14", "9"]), lambda text: text in ("2", "22", "14", "9")),
    ],
    ids=["free", "length", "pattern", "choices"],
)
def test_probabilities_are_sums_over_all_paths(
    seed: int, kinds: list[int], constraint: Constraint | None, allows: Callable[[str], bool]
) -> None:
    line = tiny_line(seed, kinds)
    expected = {text: value for text, value in by_force(line).items() if allows(text)}
    accepted = sum(expected.values())
    decoding = decode(line, constraint, count=1000, beam=1000)
    assert decoding.accepted == pytest.approx(accepted, abs=0.01)
    if accepted > 0:
        assert decoding.hypotheses[0].text == max(expected, key=lambda text: expected[text])
    for hypothesis in decoding.hypotheses:
        share = expected[hypothesis.text] / accepted
        assert hypothesis.probability == pytest.approx(share, abs=0.01)


def test_the_same_digit_twice_needs_a_blank_between() -> None:
    line = columns([(5, "1"), (6, "1"), (7, "1"), (12, "1")])
    assert decode(line.probabilities).hypotheses[0].text == "11"


def test_symbols_have_the_columns_where_they_are_most_probable() -> None:
    line = columns([(9, {"7": 0.6}), (10, "7"), (11, {"7": 0.3}), (30, "7"), (51, "0")])
    symbols = decode(line.probabilities).hypotheses[0].symbols
    assert [(symbol.digit, symbol.column) for symbol in symbols] == [(7, 10), (7, 30), (0, 51)]


def test_a_digit_is_as_certain_as_all_readings_that_have_it() -> None:
    line = columns([(10, {"1": 0.5, "7": 0.5}), (20, "4"), (30, {"0": 0.8, "6": 0.2})])
    best = decode(line.probabilities).hypotheses[0]
    assert [symbol.confidence for symbol in best.symbols] == pytest.approx([0.5, 1, 0.8], abs=0.01)
    assert best.probability == pytest.approx(0.4, abs=0.01)


def test_a_constraint_decides_between_readings_during_the_search() -> None:
    line = columns(
        [(10, {"1": 0.9, "7": 0.099}), (20, {"4": 0.6, "9": 0.4}), (30, {"0": 0.01})]
    ).probabilities
    assert decode(line).hypotheses[0].text == "14"
    assert decode(line, Pattern("7.*")).hypotheses[0].text == "74"
    assert decode(line, Length(3, 3)).hypotheses[0].text == "140"
    best = decode(line, Choices(["79", "74", "31"])).hypotheses
    assert [hypothesis.text for hypothesis in best] == ["74", "79"]
    assert [hypothesis.probability for hypothesis in best] == pytest.approx([0.6, 0.4], abs=0.01)


def test_nothing_is_found_where_the_constraint_allows_none() -> None:
    decoding = decode(spaced("123").probabilities, Length(8, 8))
    assert (decoding.hypotheses, decoding.accepted) == ((), 0.0)


def test_an_empty_line_has_the_empty_reading() -> None:
    (hypothesis,) = decode(columns([]).probabilities).hypotheses
    assert (hypothesis.text, hypothesis.probability) == ("", 1.0)
