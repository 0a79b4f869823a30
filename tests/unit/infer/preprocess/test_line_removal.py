"""Printed lines are removed; what was written over them stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_edge.preprocess.components import select_digit
from mnist_edge.preprocess.line_removal import keep_thick, remove_lines
from mnist_edge.types import Mask


def ring_on_squared_paper(angle: float, width: int = 1) -> tuple[Mask, Mask]:
    """A thick ring on squared paper: with the lines, and the ring alone."""
    ring, lined = (Image.new("L", (128, 128)) for _ in range(2))
    draw = ImageDraw.Draw(ring)
    draw.ellipse((40, 35, 88, 95), outline=255, width=7)
    lines = ImageDraw.Draw(lined)
    slope = np.tan(np.deg2rad(angle))
    for offset in range(-100, 240, 23):
        lines.line((0, offset, 127, offset + 127 * slope), fill=255, width=width)
        lines.line((offset, 0, offset - 127 * slope, 127), fill=255, width=width)
    alone = np.asarray(ring) > 0
    return alone | (np.asarray(lined) > 0), alone


@pytest.mark.parametrize("remove_print", [remove_lines, keep_thick])
@pytest.mark.parametrize("angle", [0, 3, -7, 20])
def test_squares_removed_and_ring_kept(remove_print: Callable[[Mask], Mask], angle: float) -> None:
    mask, ring = ring_on_squared_paper(angle)
    cleaned = select_digit(remove_print(mask))
    assert (cleaned & ring).sum() > 0.9 * ring.sum()
    assert (cleaned & ~ring).sum() < 0.12 * (mask & ~ring).sum()


def test_strokes_that_do_not_cross_the_picture_stay() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:90, 48:52] = True
    mask[20:23, 10:60] = True
    assert remove_lines(mask) is mask


def test_keep_thick_returns_its_argument_when_all_ink_is_thin_or_all_is_thick() -> None:
    thin = np.zeros((50, 50), bool)
    thin[25] = True
    assert keep_thick(thin) is thin
    thick = np.zeros((50, 50), bool)
    thick[10:40, 20:30] = True
    assert keep_thick(thick) is thick
