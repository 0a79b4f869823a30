"""Plain preprocessing: the whole picture, 28 x 28, gray, as light as it is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mnist_edge import ImageReadError
from mnist_edge.inputs.decode import decode_all
from mnist_edge.preprocess.preprocessor import preprocess, preprocess_one
from mnist_edge.types import GrayImage, ImageSource, Preprocessing
from tests.conftest import Digits


def resized(source: ImageSource, name: str | None = None) -> GrayImage:
    return preprocess_one(source, name, Preprocessing.PLAIN)


def noise(height: int, width: int) -> GrayImage:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def averaged(image: GrayImage) -> npt.NDArray[np.float64]:
    """Exact averages of a square picture's areas: each pixel cut into 28 x 28, all regrouped."""
    side = len(image)
    pieces = np.kron(image, np.ones((28, 28)))
    areas: npt.NDArray[np.float64] = pieces.reshape(28, side, 28, side).mean(axis=(1, 3))
    return areas


def test_28_x_28_in_gray_passes_bit_for_bit(test_digits: Digits, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for image in (*test_digits[0][:50], noise(28, 28), np.zeros((28, 28), np.uint8)):
        Image.fromarray(image).save(path)
        for source in (image, path, Image.fromarray(image).convert("RGB")):
            np.testing.assert_array_equal(resized(source), image)
        np.testing.assert_array_equal(resized(255 - image), 255 - image)


@pytest.mark.parametrize("side", [29, 32, 47, 56, 100])
def test_larger_picture_is_averaged_by_area(side: int) -> None:
    image = noise(side, side)
    np.testing.assert_allclose(resized(image), averaged(image), atol=0.51)


def test_smaller_picture_is_enlarged_bilinearly() -> None:
    ramp = np.tile(np.arange(0, 140, 10, dtype=np.uint8), (14, 1))
    enlarged = resized(ramp).astype(float)
    # The centre of pixel x lies at (x + 0.5) / 2 - 0.5 of the original.
    expected = np.clip(((np.arange(28) + 0.5) / 2 - 0.5) * 10, 0, 130)
    np.testing.assert_allclose(enlarged, np.tile(expected, (28, 1)), atol=1)


def test_aspect_is_kept_and_padding_is_the_median_of_the_border() -> None:
    wide = np.full((60, 120), 200, np.uint8)
    wide[20:40, 40:80] = 30
    wide[0, :30] = 0  # dirt on the border
    image = resized(wide)
    assert (image[:7] == 200).all()
    assert (image[21:] == 200).all()
    assert (image[12:16, 10:18] == 30).all()
    np.testing.assert_array_equal(resized(wide.T), image.T)


def test_colour_becomes_luma() -> None:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B."""
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 90)]:
        image = resized(Image.new("RGB", (90, 50), colour))
        luma = float(np.dot(colour, (0.299, 0.587, 0.114)))
        np.testing.assert_allclose(image, luma, atol=1)


def test_photograph_is_turned_upright() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture = Image.new("L", (600, 600), 0)
    picture.paste(255, (0, 0, 600, 300))
    picture.save(file, "JPEG", exif=exif)
    image = resized(file.getvalue())
    assert image[:12].max() < 10
    assert image[16:].min() > 245


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 90), st.integers(0, 255))
def test_flat_picture_of_any_size_keeps_its_level(height: int, width: int, level: int) -> None:
    for image in (np.full((height, width), level, np.uint8), np.full((width, height), level, "u1")):
        np.testing.assert_array_equal(resized(image), np.full((28, 28), level))


def test_batch_equals_single_pictures_with_errors_in_place(tmp_path: Path) -> None:
    sources: list[ImageSource] = [noise(28, 28), b"", noise(50, 40), tmp_path / "missing.png"]
    names = ["a", "b", "c", None]
    images = preprocess(decode_all(sources, names), names, Preprocessing.PLAIN)
    for source, image in zip(sources[::2], images[::2], strict=True):
        assert isinstance(image, np.ndarray)
        np.testing.assert_array_equal(image, resized(source))
    assert [str(error) for error in images[1::2]] == [
        "b: the file is empty",
        f"{tmp_path / 'missing.png'}: no such file",
    ]
    with pytest.raises(ImageReadError, match="b: the file is empty"):
        resized(b"", "b")
