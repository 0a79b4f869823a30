"""The search for readings agrees with PyTorch's CTC loss, which sums a reading's paths too."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import ctc_loss

from mnist_edge.bundled import bundled_number_models
from mnist_edge.numbers.alphabet import BLANK, CLASSES, DIGIT_CLASSES
from mnist_edge.numbers.constraints import Choices, Constraint, Length, Pattern
from mnist_edge.numbers.ctc import decode
from mnist_edge.numbers.line_model import LineModel
from tests.conftest import Digits

Probabilities = npt.NDArray[np.float32]
Labelling = tuple[int, ...]

ZERO, ONE, SEVEN = DIGIT_CLASSES[0], DIGIT_CLASSES[1], DIGIT_CLASSES[7]
DOT, OTHER = 11, 16


def random_line(seed: int, kinds: Sequence[int], count: int) -> Probabilities:
    """Columns of a blank and some classes, none of them so rare that the search leaves it out."""
    rng = np.random.default_rng(seed)
    line = np.zeros((count, CLASSES))
    line[:, [BLANK, *kinds]] = 0.02 + rng.dirichlet(np.ones(len(kinds) + 1), count)
    line /= line.sum(axis=1, keepdims=True)
    return line.astype(np.float32)


def by_torch(line: Probabilities, labellings: Sequence[Labelling]) -> npt.NDArray[np.float64]:
    """Probability of each labelling, in float64."""
    logarithms = torch.from_numpy(line).double().log()
    losses = ctc_loss(
        logarithms[:, None].expand(-1, len(labellings), -1),
        torch.tensor(list(itertools.chain(*labellings)), dtype=torch.long),
        torch.full((len(labellings),), len(line)),
        torch.tensor([len(labelling) for labelling in labellings]),
        blank=BLANK,
        reduction="none",
    )
    probabilities: npt.NDArray[np.float64] = (-losses).exp().numpy()
    return probabilities


def digits_of(labelling: Labelling) -> str:
    return "".join(str(kind - ZERO) for kind in labelling if kind in DIGIT_CLASSES)


def readings_by_torch(line: Probabilities, kinds: Sequence[int]) -> dict[str, float]:
    """Probability of each number that the line can have: of its labellings, marks or no marks."""
    labellings = [
        labelling
        for length in range(len(line) + 1)
        for labelling in itertools.product(kinds, repeat=length)
    ]
    readings: dict[str, float] = {}
    for labelling, probability in zip(labellings, by_torch(line, labellings), strict=True):
        text = digits_of(labelling)
        readings[text] = readings.get(text, 0.0) + float(probability)
    return readings


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kinds", [[ONE, SEVEN], [ONE, DOT], [ZERO, SEVEN, OTHER]])
@pytest.mark.parametrize(
    ("constraint", "allows"),
    [
        (Length(1, 6), lambda text: text != ""),
        (Length(2, 3), lambda text: 2 <= len(text) <= 3),
        (Pattern("[17]7?|00"), lambda text: text in ("1", "7", "17", "77", "00")),
        (Choices(["1", "11", "717", "0007"]), lambda text: text in ("1", "11", "717", "0007")),
    ],
    ids=["any", "length", "pattern", "choices"],
)
def test_every_reading_is_as_probable_as_the_loss_says(
    seed: int, kinds: list[int], constraint: Constraint, allows: Callable[[str], bool]
) -> None:
    line = random_line(seed, kinds, 6)
    readings = readings_by_torch(line, kinds)
    assert sum(readings.values()) == pytest.approx(1, abs=1e-6)
    allowed = {text: value for text, value in readings.items() if value and allows(text)}
    decoding = decode(line, constraint, count=10_000, beam=10_000)
    assert decoding.accepted == pytest.approx(sum(allowed.values()), rel=1e-4)
    found = {
        hypothesis.text: decoding.accepted * hypothesis.probability
        for hypothesis in decoding.hypotheses
    }
    assert found == pytest.approx(allowed, rel=1e-3, abs=1e-6)
    assert next(iter(found), None) == max(allowed, key=lambda text: allowed[text], default=None)


@pytest.mark.parametrize("seed", range(8))
def test_without_a_constraint_little_is_left_out(seed: int) -> None:
    kinds = [ONE, SEVEN, DOT]
    line = random_line(seed, kinds, 6)
    readings = readings_by_torch(line, kinds)
    decoding = decode(line, count=10_000, beam=10_000)
    assert decoding.accepted == pytest.approx(1, abs=0.02)
    assert decoding.hypotheses[0].text == max(readings, key=lambda text: readings[text])
    for hypothesis in decoding.hypotheses:
        probability = decoding.accepted * hypothesis.probability
        assert probability == pytest.approx(readings[hypothesis.text], abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_best_readings_of_a_long_line_agree_with_each_digit_twice(seed: int) -> None:
    line = 0.05 * random_line(seed, DIGIT_CLASSES, 24)
    kinds = np.repeat(np.random.default_rng(seed).choice(DIGIT_CLASSES, 3), 2)
    line[:, BLANK] += 1
    line[np.arange(2, 24, 4), kinds] += 5
    line /= line.sum(axis=1, keepdims=True)
    decoding = decode(line, Length(1, 24), count=5, beam=2000)
    hypotheses, accepted = decoding.hypotheses, decoding.accepted
    assert hypotheses[0].text == digits_of(tuple(kinds))
    labellings = [
        tuple(ZERO + int(digit) for digit in hypothesis.text) for hypothesis in hypotheses
    ]
    probabilities = [accepted * hypothesis.probability for hypothesis in hypotheses]
    assert probabilities == pytest.approx(by_torch(line, labellings), rel=0.01)


@pytest.mark.skipif(not bundled_number_models(), reason="this checkout has no models/numbers")
def test_of_what_the_network_says_of_real_digits_little_is_left_out(train_digits: Digits) -> None:
    """With the few prefixes that are followed by default."""
    images = train_digits[0][:200].reshape(40, 5, 28, 28)
    strips = [np.pad(np.concatenate(list(row), axis=1), ((2, 2), (4, 4))) for row in images]
    for columns in LineModel.load().run(strips):
        # Without marks a reading has one labelling.
        line = columns.probabilities.copy()
        line[:, BLANK] += line[:, DOT:].sum(axis=1)
        line[:, DOT:] = 0
        decoding = decode(line)
        best = decoding.hypotheses[0]
        (probability,) = by_torch(line, [tuple(symbol.kind for symbol in best.symbols)])
        assert decoding.accepted * best.probability == pytest.approx(probability, abs=0.01)
