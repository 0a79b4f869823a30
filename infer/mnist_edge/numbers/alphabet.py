"""The classes of a network that reads lines: CTC's blank, digits, separators, and anything else."""

from __future__ import annotations

__all__ = ["BLANK", "CLASSES", "DIGIT_CLASSES", "NAMES", "OTHER", "SEPARATORS"]

BLANK = 0
"""Class of a column where no symbol is reported (Graves et al. 2006)."""

DIGIT_CLASSES = range(1, 11)
"""Classes of the digits: digit d is class d + 1."""

SEPARATORS = {11: ".", 12: ",", 13: "-", 14: "/", 15: ":"}
"""Classes of what separates digits in amounts and dates, which is reported and no digit."""

OTHER = 16
"""Class of any other symbol: a letter, a currency mark."""

NAMES = (
    "blank",
    *map(str, range(10)),
    "dot",
    "comma",
    "dash",
    "slash",
    "colon",
    "other",
)
"""Names of the classes, in the order of a network's outputs; a model's file states the same."""

CLASSES = len(NAMES)
