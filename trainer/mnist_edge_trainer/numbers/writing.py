"""What is written on a line, and how: numbers, amounts, dates; hands, typefaces, displays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mnist_edge_trainer.numbers.glyphs import LOOKALIKES, OTHERS
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["KINDS", "Style", "random_style", "random_text"]

KINDS = ("hand", "print", "display")

_KIND_SHARES = (0.72, 0.16, 0.12)

_LENGTHS = (3, 7, 10, 13, 15, 13, 11, 8, 7, 6, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1)
"""How often numbers of 1 to 20 digits are written."""


class Style(NamedTuple):
    """How a line is written. Lengths are of the digits' height.

    Attributes:
        kind: one of `KINDS`.
        gap, gap_spread: mean and standard deviation of the space between symbols.
        by_profile: spaces are between the ink of neighbours, not between their boxes.
        pitch: from box to box of a form; 0 = no boxes.
        size_spread: relative standard deviation of the symbols' size.
        lift: standard deviation of the symbols' height over the base line.
        shear: slant of the symbols, to the right; `shear_spread` for each.
        rotation: of the whole line, radians; `turn` for each symbol.
        aspect: stretch of the width.
        pen: change of the stroke's width, -1..1.
        taper: relative growth of the symbols from left to right.
        foreign: probability that a digit is a variant (see `digit_variant`).
    """

    kind: str = "hand"
    gap: float = 0.25
    gap_spread: float = 0.06
    by_profile: bool = False
    pitch: float = 0.0
    size_spread: float = 0.06
    lift: float = 0.03
    shear: float = 0.0
    shear_spread: float = 0.04
    rotation: float = 0.0
    turn: float = 0.04
    aspect: float = 1.0
    pen: float = 0.0
    taper: float = 0.0
    foreign: float = 0.0


def random_style(rng: Rng, kind: str | None = None) -> Style:
    """Draws a style."""
    kind = kind or str(rng.choice(KINDS, p=_KIND_SHARES))
    rotation = float(rng.normal(0, 0.02))
    if kind == "display":
        return Style(
            kind, *_spaces(rng, (0.12, 0.4)), size_spread=0.0, lift=0.0, shear=0.0
        )._replace(by_profile=False, shear_spread=0.0, turn=0.0, rotation=rotation, gap_spread=0.0)
    if kind == "print":
        return Style(kind, *_spaces(rng, (0.02, 0.3)), size_spread=0.0, lift=0.0)._replace(
            shear=float(rng.choice([0.0, rng.uniform(-0.15, 0.35)])),
            gap_spread=float(rng.choice([0.0, 0.03])),
            by_profile=bool(rng.random() < 0.3),
            aspect=float(rng.uniform(0.75, 1.3)),
            shear_spread=0.0,
            turn=0.0,
            rotation=rotation,
        )
    spread = [(-0.12, 0.02), (-0.05, 0.15), (0.1, 0.45), (0.4, 1.2)]
    chosen = int(rng.choice(4, p=(0.2, 0.3, 0.37, 0.13)))
    pitch = float(rng.uniform(1.05, 2.2)) if rng.random() < 0.17 else 0.0
    return Style(
        kind,
        *_spaces(rng, spread[chosen]),
        by_profile=bool(rng.random() < 0.6),
        pitch=pitch,
        size_spread=float(rng.uniform(0.02, 0.16)),
        lift=float(rng.uniform(0, 0.09)),
        shear=float(rng.normal(0.05, 0.18)),
        shear_spread=float(rng.uniform(0, 0.1)),
        rotation=rotation,
        turn=float(rng.uniform(0, 0.09)),
        aspect=float(math.exp(rng.normal(0, 0.16))),
        pen=float(rng.uniform(-1, 1)),
        taper=float(rng.normal(0, 0.1)),
        foreign=float(rng.choice([0.0, 1.0, 0.3], p=(0.68, 0.2, 0.12))),
    )


def _spaces(rng: Rng, between: tuple[float, float]) -> tuple[float, float]:
    gap = float(rng.uniform(*between))
    return gap, float(rng.uniform(0, 0.05 if gap < 0.1 else 0.12))


def random_text(rng: Rng, kind: str, length: int | None = None) -> str:
    """Draws what is written: a number, an amount, a date, with or without symbols round it."""
    if length is None:
        weights = np.array(_LENGTHS, float)
        length = 1 + int(rng.choice(len(weights), p=weights / weights.sum()))
    digits = "".join(map(str, rng.integers(10, size=length)))
    if rng.random() < 0.04:  # the same digit again and again, most of all the narrow 1
        digits = str(rng.choice(list("1112345678900"))) * length
    elif rng.random() < 0.12:
        digits = "".join(rng.choice(list("11174490"), size=length))
    if kind == "display":
        return _with_point(digits, rng)
    return _among_others(_separated(digits, rng), rng)


def _with_point(digits: str, rng: Rng) -> str:
    """A display's point or colon, now and then."""
    form = rng.random()
    if form > 0.3 or len(digits) < 2:
        return digits
    place = int(rng.integers(1, len(digits)))
    return digits[:place] + (":" if form < 0.06 else ".") + digits[place:]


def _separated(digits: str, rng: Rng) -> str:
    """Marks of an amount or a date, now and then."""
    form, length = rng.random(), len(digits)
    if form < 0.1 and length > 2:
        digits = digits[:-2] + str(rng.choice(list(".,,-:/"))) + digits[-2:]
        if rng.random() < 0.15:
            digits = digits[:-2] + str(rng.choice(["-", "--", "00"]))
    elif form < 0.16 and length > 3:
        between = str(rng.choice(list("./-/.:")))
        digits = digits[:2] + between + digits[2:4] + (between if length > 4 else "") + digits[4:]
    elif form < 0.2 and length > 4:
        digits = digits[:-3] + str(rng.choice([".", ",", ""])) + digits[-3:]
    elif form < 0.24 and length > 1:
        place = int(rng.integers(0, length + 1))
        digits = digits[:place] + str(rng.choice(list(".,-/:"))) + digits[place:]
    return digits


def _among_others(digits: str, rng: Rng) -> str:
    """A currency mark or letters beside a number, or in its place."""
    around = rng.random()
    if around < 0.07:
        return str(rng.choice(list("$€£#*=")) if rng.random() < 0.6 else "Fr") + digits
    if around < 0.15:
        return _word(rng) + digits
    if around < 0.2:
        return digits + _word(rng)
    return _word(rng, 3, 9) if around < 0.24 else digits


def _word(rng: Rng, least: int = 1, most: int = 4) -> str:
    length = int(rng.integers(least, most + 1))
    letters = OTHERS if length < 3 else OTHERS + 4 * LOOKALIKES
    return "".join(rng.choice(list(letters), size=length))
