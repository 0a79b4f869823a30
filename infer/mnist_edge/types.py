"""What a model file says of itself that decides how it is used: its classes, its pictures."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DIGITS", "Preprocessing"]

DIGITS = tuple("0123456789")
"""Names of the classes of MNIST: those of a model whose file names none of its ten."""


class Preprocessing(StrEnum):
    """What a network was trained to see, by the version that its file names; see `image`."""

    DIGIT = "2"
    """A digit as MNIST shows it, found in whatever picture there is: `image.prepare`."""

    PLAIN = "plain-1"
    """The whole picture as it is, in grey and small: `image.prepare_plain`."""
