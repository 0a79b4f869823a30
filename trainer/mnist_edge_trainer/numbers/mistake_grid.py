"""A figure of pictures of numbers beside what was read in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mnist_edge.types import GrayImage
from mnist_edge_trainer.evaluation.figures import save_figure
from mnist_edge_trainer.numbers.scoring import Result
from mnist_edge_trainer.numbers.test_sets.records import NumberPicture

__all__ = ["draw_mistakes"]

_COLUMNS = 4


def draw_mistakes(mistakes: Sequence[tuple[NumberPicture, Result]], path: Path) -> None:
    """Draws pictures with the number in each, what was read, and how confidently.

    Args:
        mistakes: at least one.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    rows = math.ceil(len(mistakes) / _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 1.7 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (picture, result) in zip(grid.flat, mistakes, strict=False):
        axes.imshow(_around_number(picture), cmap="gray", vmin=0, vmax=255)
        read = result.digits or "nothing"
        title = f"{result.text or 'no number'}, read {read} ({result.confidence:.0%})"
        axes.set_title(title, fontsize=9)
    save_figure(figure, path)


def _around_number(picture: NumberPicture) -> GrayImage:
    """The part of the picture with the number in it, and some of what surrounds it."""
    pixels = picture.pixels()
    if not picture.boxes:
        return pixels
    x0, y0, x1, y1 = np.array(picture.boxes).T
    border = (y1 - y0).max()
    top, left = (max(0, round(float(side.min() - border))) for side in (y0, x0))
    bottom, right = (round(float(side.max() + border)) for side in (y1, x1))
    return pixels[top:bottom, left:right]
