"""Whether a picture that is to show one digit shows a number."""

from __future__ import annotations

import functools

from mnist_edge.bundled import bundled_number_models
from mnist_edge.numbers.line_finder import LineFinder, cut_row
from mnist_edge.numbers.line_model import FINDER, READER, LineModel
from mnist_edge.numbers.reading import Rules, read
from mnist_edge.preprocess.neighbors import DigitRow
from mnist_edge.types import Pixels

__all__ = ["number_on"]

_CERTAIN = 0.7
"""Confidence of a number below which the picture gets the benefit of the doubt: it is one digit."""


def number_on(picture: Pixels, row: DigitRow) -> str | None:
    """The number on a picture, where it certainly has more than one digit.

    What the finder of lines gives is read first, and then the row of ink itself.

    Args:
        picture: uint8 ``[H, W]`` gray, or ``[H, W, 3]`` RGB.
        row: where the front end sees ink like a digit's side by side.

    Returns:
        its digits; None where it may be one digit, or the installation lacks the models of numbers.

    Raises:
        ModelError: a model of numbers is not the released one.
    """
    models = _models()
    if models is None:
        return None
    finder, reader = models
    rules = Rules(calibration=reader.calibration, alternatives=0)
    size = picture.shape[1], picture.shape[0]
    for is_found in (True, False):
        lines = finder.find(picture) if is_found else [cut_row(row)]
        columns = reader.run([line.image for line in lines])
        numbers, _ = read(lines, columns, rules, (1.0, 1.0), size)
        certain = [number.text for number in numbers if number.confidence >= _CERTAIN]
        if sum(map(len, certain)) > 1:
            return " ".join(certain)
    return None


@functools.cache
def _models() -> tuple[LineFinder, LineModel] | None:
    if not {FINDER, READER} <= bundled_number_models().keys():
        return None
    return LineFinder(), LineModel.load()
