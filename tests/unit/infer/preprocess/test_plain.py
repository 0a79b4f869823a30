"""MNIST's own rule: against other ways to compute it, and by what is read of its images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier
from mnist_edge.preprocess.mnist_form import is_mnist_form
from mnist_edge.preprocess.plain import fit_digit, otsu_level
from mnist_edge.types import GrayImage
from tests.conftest import Digits
from tests.drawings import draw

COUNT = 500


@pytest.fixture(scope="module")
def sheets(train_digits: Digits) -> GrayImage:
    return draw(train_digits[0][55_000 : 55_000 + COUNT])


def test_images_have_mnists_form_and_are_read(sheets: GrayImage, train_digits: Digits) -> None:
    images = np.stack([image for sheet in sheets if (image := fit_digit(sheet)) is not None])
    assert len(images) == COUNT
    assert is_mnist_form(images).all()
    read = DigitClassifier().model.run(images).argmax(axis=1)
    assert (read == train_digits[1][55_000 : 55_000 + COUNT]).mean() > 0.98


def test_negative_gives_the_same_image(sheets: GrayImage) -> None:
    for sheet in sheets[:50]:
        image, other = fit_digit(sheet), fit_digit(255 - sheet)
        assert image is not None
        assert other is not None
        assert np.abs(image.astype(int) - other).max() <= 1


@pytest.mark.parametrize("size", [(36, 60), (100, 20), (20, 20), (7, 20)])
def test_areas_are_averaged_as_pillow_does_for_whole_factors(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    height, width = size
    ink = rng.integers(200, 256, (height, width), dtype=np.uint8)
    ink[0, 0] = ink[-1, -1] = 255
    sheet = np.zeros((140, 140), np.uint8)
    sheet[5 : 5 + height, 9 : 9 + width] = ink
    fitted = fit_digit(sheet)
    assert fitted is not None
    inked = fitted[np.ix_(fitted.any(axis=1), fitted.any(axis=0))].astype(float)
    levels = Image.fromarray(np.clip(ink / ink.mean(), 0, 1).astype(np.float32))
    longest = max(size)
    box = levels.resize((20 * width // longest, 20 * height // longest), Image.Resampling.BOX)
    wanted = np.asarray(box) / np.asarray(box).max() * 255
    assert np.abs(inked - wanted).max() <= 1


def test_threshold_is_the_one_of_least_variance_within() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        picture = rng.normal(rng.choice([60, 170], (30, 40)), 25).clip(0, 255).astype(np.uint8)
        within = {
            level: (picture <= level).mean() * picture[picture <= level].var()
            + (picture > level).mean() * picture[picture > level].var()
            for level in range(picture.min(), picture.max())
        }
        assert otsu_level(picture) == min(within, key=within.__getitem__)


def test_picture_of_one_level_has_no_digit() -> None:
    assert fit_digit(np.full((30, 30), 200, np.uint8)) is None
