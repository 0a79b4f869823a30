"""Made-up outputs of the network of lines, for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import BLANK, CLASSES, NAMES, SEPARATORS
from mnist_edge.numbers.text_line import LINE_HEIGHT, TextLine

KINDS = {
    **{str(digit): digit + 1 for digit in range(10)},
    **{text: kind for kind, text in SEPARATORS.items()},
    "x": NAMES.index("other"),
}
"""Classes by what a test writes for them."""


@dataclass
class Columns:
    """As `LineColumns`."""

    probabilities: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]


Seen = str | Mapping[str, float]
"""A symbol, or the probabilities of several at one place."""


def columns(symbols: Sequence[tuple[int, Seen]], count: int = 104) -> Columns:
    """A line whose symbols are at some columns, each 16 x 24 pixels; blank elsewhere."""
    probabilities = np.zeros((count, CLASSES), np.float32)
    for column, seen in symbols:
        for text, value in ({seen: 0.999} if isinstance(seen, str) else seen).items():
            probabilities[column, KINDS[text]] = value
    probabilities[:, BLANK] = 1 - probabilities.sum(axis=1)
    boxes = np.tile(np.array([8, 4, 8, 28]) / 32, (count, 1))
    return Columns(probabilities, boxes.astype(np.float32))


def spaced(text: str, pitch: int = 10, start: int = 6) -> Columns:
    """A line of symbols, `pitch` columns apart; spaces leave one out."""
    symbols = [(start + pitch * i, text[i]) for i in range(len(text)) if text[i] != " "]
    return columns(symbols, start + pitch * len(text) + 6)


def text_line(
    width: int, x: float = 0, y: float = 0, scale: float = 1.0, angle: float = 0.0
) -> TextLine:
    """A line whose upper left corner is somewhere in the picture, turned by an angle, radians."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    return TextLine(np.zeros((LINE_HEIGHT, width), np.uint8), matrix)
