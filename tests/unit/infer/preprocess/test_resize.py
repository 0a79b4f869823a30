"""Pictures of anything: seen whole, small, grey, and as light as they are."""

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
from mnist_edge.preprocess.preprocessor import prepare_all_plain, prepare_plain
from mnist_edge.types import ImageSource
from tests.conftest import Digits

Bytes = npt.NDArray[np.uint8]


def noise(height: int, width: int) -> Bytes:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def averaged(image: Bytes) -> npt.NDArray[np.float64]:
    """Exact averages of a square picture's areas: each pixel cut into 28 x 28, all regrouped."""
    side = len(image)
    pieces = np.kron(image, np.ones((28, 28)))
    areas: npt.NDArray[np.float64] = pieces.reshape(28, side, 28, side).mean(axis=(1, 3))
    return areas


def test_28_x_28_in_grey_passes_bit_for_bit(test_digits: Digits, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for image in (*test_digits[0][:50], noise(28, 28), np.zeros((28, 28), np.uint8)):
        Image.fromarray(image).save(path)
        for source in (image, path, Image.fromarray(image).convert("RGB")):
            np.testing.assert_array_equal(prepare_plain(source), image)
        np.testing.assert_array_equal(prepare_plain(255 - image), 255 - image)


@pytest.mark.parametrize("side", [29, 32, 47, 56, 100])
def test_what_is_larger_is_averaged_by_area(side: int) -> None:
    image = noise(side, side)
    np.testing.assert_allclose(prepare_plain(image), averaged(image), atol=0.51)


def test_what_is_smaller_is_enlarged_between_its_pixels() -> None:
    ramp = np.tile(np.arange(0, 140, 10, dtype=np.uint8), (14, 1))
    enlarged = prepare_plain(ramp).astype(float)
    # The centre of pixel x lies at (x + 0.5) / 2 - 0.5 of the original.
    expected = np.clip(((np.arange(28) + 0.5) / 2 - 0.5) * 10, 0, 130)
    np.testing.assert_allclose(enlarged, np.tile(expected, (28, 1)), atol=1)


def test_aspect_is_kept_and_the_rest_is_the_borders_colour() -> None:
    wide = np.full((60, 120), 200, np.uint8)
    wide[20:40, 40:80] = 30
    wide[0, :30] = 0  # dirt on the border
    seen = prepare_plain(wide)
    assert (seen[:7] == 200).all()
    assert (seen[21:] == 200).all()
    assert (seen[12:16, 10:18] == 30).all()
    np.testing.assert_array_equal(prepare_plain(wide.T), seen.T)


def test_colour_becomes_luma() -> None:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B."""
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 90)]:
        seen = prepare_plain(Image.new("RGB", (90, 50), colour))
        luma = float(np.dot(colour, (0.299, 0.587, 0.114)))
        np.testing.assert_allclose(seen, luma, atol=1)


def test_a_photograph_is_turned_upright() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture = Image.new("L", (600, 600), 0)
    picture.paste(255, (0, 0, 600, 300))
    picture.save(file, "JPEG", exif=exif)
    seen = prepare_plain(file.getvalue())
    assert seen[:12].max() < 10
    assert seen[16:].min() > 245


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 90), st.integers(0, 255))
def test_any_size_stays_as_light_as_it_is(height: int, width: int, level: int) -> None:
    for image in (np.full((height, width), level, np.uint8), np.full((width, height), level, "u1")):
        np.testing.assert_array_equal(prepare_plain(image), np.full((28, 28), level))


def test_several_are_as_each_is_and_errors_are_in_their_places(tmp_path: Path) -> None:
    sources: list[ImageSource] = [noise(28, 28), b"", noise(50, 40), tmp_path / "missing.png"]
    names = ["a", "b", "c", None]
    made = prepare_all_plain(sources, names)
    for source, picture in zip(sources[::2], made[::2], strict=True):
        assert isinstance(picture, np.ndarray)
        np.testing.assert_array_equal(picture, prepare_plain(source))
    assert [str(error) for error in made[1::2]] == [
        "b: the file is empty",
        f"{tmp_path / 'missing.png'}: no such file",
    ]
    with pytest.raises(ImageReadError, match="b: the file is empty"):
        prepare_plain(b"", "b")
