"""Whether a picture that is to show one digit shows a number."""

from __future__ import annotations

import functools

from mnist_edge.errors import ModelError
from mnist_edge.numbers.line_finder import LineFinder
from mnist_edge.numbers.line_model import LineModel
from mnist_edge.numbers.reading import Rules, read
from mnist_edge.types import Pixels

__all__ = ["number_on"]

_CERTAIN = 0.8
"""Confidence of a number below which the picture gets the benefit of the doubt: it is one digit."""


def number_on(picture: Pixels) -> str | None:
    """The number on a picture, where it certainly has more than one digit.

    Args:
        picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB.

    Returns:
        its digits; None where it may be one digit, or the installation lacks the models of numbers.
    """
    models = _models()
    if models is None:
        return None
    finder, reader = models
    lines = finder.find(picture)
    rules = Rules(calibration=reader.calibration, alternatives=0)
    size = picture.shape[1], picture.shape[0]
    numbers, _ = read(lines, reader.run([line.image for line in lines]), rules, (1.0, 1.0), size)
    certain = [number.text for number in numbers if number.confidence >= _CERTAIN]
    return " ".join(certain) if sum(map(len, certain)) > 1 else None


@functools.cache
def _models() -> tuple[LineFinder, LineModel] | None:
    try:
        return LineFinder(), LineModel.load()
    except ModelError:
        return None
