"""The camera for training against the one of the benchmark: faster, and no other pictures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mnist_edge_trainer.synthetic.camera import BENCHMARK_CAMERA, TRAINING_CAMERA, Camera
from mnist_edge_trainer.synthetic.render import render
from mnist_edge_trainer.synthetic.scenes import random_scene
from tests.conftest import Digits

CAMERAS = pytest.mark.parametrize("camera", [BENCHMARK_CAMERA, TRAINING_CAMERA])


@CAMERAS
@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 3.0, 9.0, 40.0])
@pytest.mark.parametrize("shape", [(1, 41, 60), (3, 57, 24), (3, 7, 90)])
def test_blur_is_scipys_gaussian(camera: Camera, sigma: float, shape: tuple[int, int, int]) -> None:
    page = np.random.default_rng(1).random(shape).astype(np.float32)
    expected = [ndimage.gaussian_filter(plane.astype(np.float64), sigma) for plane in page]
    blurred = camera.blur(page, sigma)
    assert blurred.dtype == np.float32
    np.testing.assert_allclose(blurred, expected, atol=3e-6)


@CAMERAS
def test_noise_has_the_same_moments_and_no_pattern(camera: Camera) -> None:
    fields = [camera.noise((150, 170), np.random.default_rng(seed)) for seed in range(12)]
    noise = np.stack(fields)
    assert noise.shape == (12, 3, 150, 170)
    # An own part of each colour and a common one: variances of 0.25 and 0.7225.
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.var() == pytest.approx(0.9725, rel=0.01)
    colours = np.asarray(np.corrcoef(noise.transpose(1, 0, 2, 3).reshape(3, -1)))
    assert colours[np.triu_indices(3, 1)] == pytest.approx(0.7225 / 0.9725, abs=0.01)
    assert np.mean(noise**4) / noise.var() ** 2 == pytest.approx(3, abs=0.05)
    for shifted in (noise[..., 1:] * noise[..., :-1], noise[..., 1:, :] * noise[..., :-1, :]):
        assert shifted.mean() == pytest.approx(0, abs=0.01)
    # No two pictures have the same noise.
    across = np.asarray(np.corrcoef(noise.reshape(12, -1)))
    assert np.abs(across[np.triu_indices(12, 1)]).max() < 0.03


def test_noise_of_a_seed_is_the_same_and_may_be_larger_than_what_is_shared() -> None:
    first, again = (TRAINING_CAMERA.noise((30, 40), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert TRAINING_CAMERA.noise((3, 900), np.random.default_rng(5)).shape == (3, 3, 900)


def test_cameras_take_the_same_picture_but_for_its_noise(train_digits: Digits) -> None:
    for seed, digit in enumerate(train_digits[0][:40]):
        scene = random_scene(np.random.default_rng(seed))
        pictures = [
            np.asarray(
                render(digit, scene, np.random.default_rng(seed), camera).convert("RGB"), np.float32
            )
            for camera in (BENCHMARK_CAMERA, TRAINING_CAMERA)
        ]
        assert pictures[0].shape == pictures[1].shape
        if not scene.one_bit:
            pixels = pictures[0].size / 3
            noise = 255 * scene.noise + 0.5
            # Twice the noise of a mean of so many pixels, six standard deviations of it.
            difference = abs(float(pictures[0].mean() - pictures[1].mean()))
            assert difference < 6 * np.sqrt(2) * noise / np.sqrt(pixels) + 0.2
