"""The test sets by name, and their pictures one by one."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mnist_edge_trainer.numbers.test_sets import (
    TEST_SEED,
    conditions,
    displays,
    documents,
    handwriting,
    no_numbers,
    photographs,
    typefaces,
)
from mnist_edge_trainer.numbers.test_sets.records import Hand, NumberPicture, Rng

__all__ = ["ALL_SETS", "HARD_SETS", "LENGTHS", "TEST_SETS", "TestSet", "pictures"]

LENGTHS = range(3, 8)
"""Digits of a number; each length is as likely."""


@dataclass(frozen=True)
class TestSet:
    """How the pictures of one set are made.

    Attributes:
        description: of the set, for a table.
        is_handwritten: its digits are MNIST's.
        draw: makes a picture of one hand's digits, of a length; a set that is not handwritten
            ignores the hand. The last argument is the picture's place in the set.
    """

    __test__ = False  # no test of pytest's

    description: str
    is_handwritten: bool
    draw: Callable[[Hand, int, Rng, int], NumberPicture]


def _handwritten(draw: Callable[[Hand, int, Rng], NumberPicture], description: str) -> TestSet:
    return TestSet(description, True, lambda hand, length, rng, _: draw(hand, length, rng))


def _in_turn(_: Hand, length: int, rng: Rng, place: int) -> NumberPicture:
    """Prints as many numbers in each typeface."""
    names = list(typefaces.TYPEFACES)
    return typefaces.in_print(names[place % len(names)], length, rng)


TEST_SETS: Mapping[str, TestSet] = {
    "side-by-side": _handwritten(handwriting.side_by_side, "28 x 28 images side by side"),
    "spaced": _handwritten(handwriting.spaced, "spaced, dark on white"),
    "touching": _handwritten(
        handwriting.touching, "touching and overlapping by up to 2.4 pixels of 28"
    ),
    "page": _handwritten(photographs.on_page, "on photographed pages"),
    "seven-segment": TestSet(
        "seven-segment displays", False, lambda _, length, rng, __: displays.on_display(length, rng)
    ),
    "printed": TestSet("printed, ten typefaces not trained on", False, _in_turn),
}
"""The sets of which scores are published, by the name that the command line has for each."""

HARD_SETS: Mapping[str, TestSet] = {
    "boxes": _handwritten(documents.boxes, "a row of printed boxes"),
    "cheque": _handwritten(documents.cheque, "an amount on a printed pattern"),
    "beside-print": _handwritten(documents.beside_print, "beside printed words"),
    "crossed": _handwritten(documents.crossed_by_lines, "crossed by ruled or squared lines"),
    "lines": _handwritten(documents.several_lines, "two to four lines"),
    "european": _handwritten(documents.european, "drawn, flagged 1 and barred 7"),
    "slanted": _handwritten(conditions.slanted, "slanted by 8 to 20 degrees"),
    "light-on-dark": _handwritten(conditions.light_on_dark, "light on dark"),
    "webcam": _handwritten(conditions.webcam, "blurred, dim, noisy"),
    "one-bit": _handwritten(conditions.one_bit, "black and white pixels"),
    "cut-close": _handwritten(conditions.cut_close, "cut close"),
    "no-number": _handwritten(no_numbers.no_number, "no number in it"),
}
"""Harder pictures, by name, which are scored only where they are asked for."""

ALL_SETS: Mapping[str, TestSet] = {**TEST_SETS, **HARD_SETS}


def pictures(
    name: str, hands: Sequence[Hand], count: int, seed: int = TEST_SEED
) -> Iterator[NumberPicture]:
    """Makes the pictures of a set, the same ones each time: more of them begin with the fewer.

    Args:
        name: of one of `ALL_SETS`.
        hands: every picture is of one of them, each as likely.
        count: of pictures.
        seed: of the set.
    """
    for place in range(count):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), place])
        hand = hands[int(rng.integers(len(hands)))]
        length = int(rng.choice(LENGTHS))
        yield ALL_SETS[name].draw(hand, length, rng, place)
