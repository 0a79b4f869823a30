"""The renderer: what a scene says is what is in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge_trainer.synthetic.render import draw_strokes, render, render_blank
from mnist_edge_trainer.synthetic.scenes import Scene
from tests.conftest import Digits


def test_pen_width_sets_the_width_of_the_stroke(train_digits: Digits) -> None:
    rng = np.random.default_rng(0)
    areas = [
        [draw_strokes(digit, Scene(pen_width=width), rng).mean() for width in (0.5, 1.0, 2.0, 4.0)]
        for digit in train_digits[0][:20]
    ]
    assert (np.diff(areas, axis=1) > 0).all()
    # Half as wide a pen leaves half the ink, but for the ends.
    ratio = np.mean(areas, axis=0)
    assert ratio[1] / ratio[0] == pytest.approx(2, rel=0.2)


def test_thin_strokes_of_small_digits_have_a_bounding_box(train_digits: Digits) -> None:
    scene = Scene(
        size=(96, 96), digit_height=0.05, pen_width=0.4, margin=0.1, frame=0.2, intruder="finger"
    )
    for seed, digit in enumerate(train_digits[0][:20]):
        assert min(render(digit, scene, np.random.default_rng(seed)).size) >= 2


def test_render_blank_is_the_same_picture_without_the_digit(train_digits: Digits) -> None:
    digit, scene = train_digits[0][5], Scene(ruling="squared", frame=0.2, noise=0.0)
    with_digit, blank = (
        np.asarray(draw(digit, scene, np.random.default_rng(1)).convert("L"), np.float32)
        for draw in (render, render_blank)
    )
    ink = draw_strokes(digit, scene, np.random.default_rng(1)) > 0.5
    # Half of 224 pixels high, where the box of the strokes is 160.
    area = ink.sum() * (112 / 160) ** 2
    assert (np.abs(with_digit - blank) > 20).sum() == pytest.approx(area, rel=0.2)
    # The lines of the paper and the box are still there.
    assert np.ptp(blank) > 100


def test_transparent_and_one_bit_scenes_have_the_modes_of_such_files(train_digits: Digits) -> None:
    modes = {
        render(train_digits[0][5], scene, np.random.default_rng(1)).mode
        for scene in (Scene(), Scene(transparent=True), Scene(one_bit=True))
    }
    assert modes == {"RGB", "RGBA", "1"}
