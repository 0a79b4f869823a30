"""Images in MNIST form are recognized: all of MNIST's, and no others."""

from __future__ import annotations

import numpy as np

from mnist_edge.preprocess.mnist_form import is_mnist_form
from tests.conftest import Digits


def test_every_mnist_image_is_in_mnist_form(train_digits: Digits, test_digits: Digits) -> None:
    for images in (train_digits[0], test_digits[0]):
        assert is_mnist_form(images).all()


def test_batch_equals_single_images(train_digits: Digits) -> None:
    rng = np.random.default_rng(0)
    images = train_digits[0][:3000].copy()
    for image in images[::2]:
        image[:] = np.roll(image, rng.integers(-2, 3, 2), (0, 1))
    images[::7] *= rng.integers(0, 2, (len(images[::7]), 28, 1), np.uint8)
    images[5] = 0
    together = is_mnist_form(images)
    assert together.tolist() == [is_mnist_form(image[np.newaxis])[0] for image in images]
    assert 0.1 < together.mean() < 0.9


def test_gray_background_and_shifts_are_not_in_mnist_form(train_digits: Digits) -> None:
    images = train_digits[0][:200]
    assert not is_mnist_form(np.maximum(images, 1)).any()
    assert not is_mnist_form(np.zeros((1, 28, 28), np.uint8)).any()
    assert is_mnist_form(np.roll(images, 2, axis=1)).mean() < 0.05
