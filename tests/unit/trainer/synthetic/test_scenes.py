"""Random scenes: repeatable for a seed, and each of them can be rendered."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge_trainer.synthetic.render import render
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES, plain_scene, random_scene
from tests.conftest import Digits


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_renders_the_same_picture_for_a_seed(name: str, train_digits: Digits) -> None:
    for severity in range(len(SEVERITIES)):
        first, again = (
            render(train_digits[0][5], CORRUPTIONS[name](rng, severity), rng)
            for rng in (np.random.default_rng(3), np.random.default_rng(3))
        )
        assert first.tobytes() == again.tobytes()
        assert min(first.size) >= 2


def test_random_scenes_all_render(train_digits: Digits) -> None:
    for seed, digit in enumerate(train_digits[0][:200]):
        rng = np.random.default_rng(seed)
        assert render(digit, random_scene(rng), rng).width >= 1


def test_plain_scene_is_dark_on_light_and_nearly_upright() -> None:
    for seed in range(50):
        scene = plain_scene(np.random.default_rng(seed))
        assert max(scene.ink) < 0.2
        assert min(scene.paper) > 0.8
        assert abs(scene.tilt) <= 6
