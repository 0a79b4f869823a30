"""The simulator, and what is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mnist_edge.model import Model
from mnist_edge_trainer.synthetic.dataset import NEGATIVE, SyntheticDataset
from mnist_edge_trainer.synthetic.digit_variants import digit_variant
from mnist_edge_trainer.synthetic.render import (
    CORRUPTIONS,
    Scene,
    blank_page,
    photograph,
    random_scene,
    stencil,
)
from tests.conftest import Digits


@pytest.mark.parametrize("axis", CORRUPTIONS)
def test_every_axis_makes_pictures_the_same_ones_for_a_seed(
    axis: str, train_digits: Digits
) -> None:
    for severity in range(3):
        first, again = (
            photograph(train_digits[0][5], CORRUPTIONS[axis](rng, severity), rng)
            for rng in (np.random.default_rng(3), np.random.default_rng(3))
        )
        assert first.tobytes() == again.tobytes()
        assert min(first.size) >= 2


def test_a_pen_has_the_width_it_says(train_digits: Digits) -> None:
    rng = np.random.default_rng(0)
    areas = [
        [stencil(digit, Scene(pen=pen), rng).mean() for pen in (0.5, 1.0, 2.0, 4.0)]
        for digit in train_digits[0][:20]
    ]
    assert (np.diff(areas, axis=1) > 0).all()
    # Half as wide a pen leaves half the ink, but for the ends.
    ratio = np.mean(areas, axis=0)
    assert ratio[1] / ratio[0] == pytest.approx(2, rel=0.2)


def test_mixed_scenes_are_drawn_without_fail(train_digits: Digits) -> None:
    for seed, digit in enumerate(train_digits[0][:200]):
        rng = np.random.default_rng(seed)
        assert photograph(digit, random_scene(rng), rng).width >= 1


def test_the_thinnest_strokes_of_the_smallest_digits_have_a_place(train_digits: Digits) -> None:
    scene = Scene(size=(96, 96), digit=0.05, pen=0.4, margin=0.1, frame=0.2, intruder="finger")
    for seed, digit in enumerate(train_digits[0][:20]):
        assert min(photograph(digit, scene, np.random.default_rng(seed)).size) >= 2


def test_a_blank_page_is_the_picture_without_its_digit(train_digits: Digits) -> None:
    digit, scene = train_digits[0][5], Scene(ruling="squared", frame=0.2, noise=0.0)
    taken, blank = (
        np.asarray(take(digit, scene, np.random.default_rng(1)).convert("L"), np.float32)
        for take in (photograph, blank_page)
    )
    ink = stencil(digit, scene, np.random.default_rng(1)) > 0.5
    # Half of 224 pixels high, where the stencil's box is 160.
    area = ink.sum() * (112 / 160) ** 2
    assert (np.abs(taken - blank) > 20).sum() == pytest.approx(area, rel=0.2)
    # The lines of the paper and the box are still there.
    assert np.ptp(blank) > 100


def test_unusual_forms_are_told_apart_by_the_network_that_saw_them() -> None:
    drawn = [digit_variant(np.random.default_rng([7, seed])) for seed in range(200)]
    images, labels = zip(*drawn, strict=True)
    assert set(labels) == {1, 3, 4, 7, 9}
    answers = Model.load().run(np.stack(images)).argmax(axis=1)
    assert np.mean(answers == np.array(labels)) >= 0.95


def test_a_chunk_is_made_once_and_is_the_same_again(tmp_path: Path, train_digits: Digits) -> None:
    images, labels = train_digits[0][:60], train_digits[1][:60].astype(np.int64)
    first, elsewhere = (
        SyntheticDataset(images, labels, tmp_path / name).chunk(0) for name in ("one", "two")
    )
    np.testing.assert_array_equal(first.images, elsewhere.images)
    (kept,) = (tmp_path / "one").glob("*.npz")
    before = kept.stat().st_mtime_ns
    again = SyntheticDataset(images, labels, tmp_path / "one").chunk(0)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(kept.read_bytes()[:1000])
    mended = SyntheticDataset(images, labels, tmp_path / "one").chunk(0)
    np.testing.assert_array_equal(first.images, mended.images)
    assert 0 < (first.labels == NEGATIVE).sum() < 20
    assert first.images.any(axis=(1, 2)).all()
