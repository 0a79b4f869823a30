"""The short road for small grey PNGs agrees with Pillow's, and takes nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mnist_edge.inputs.png import small_png
from tests.conftest import Digits


def decode_plain(content: bytes) -> np.ndarray | None:
    picture = small_png(content)
    if picture is None:
        return None
    height, width, pixels = picture
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def encoded(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_mnist_images(train_digits: Digits) -> None:
    for image in train_digits[0][:200]:
        np.testing.assert_array_equal(decode_plain(encoded(Image.fromarray(image))), image)


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=80)))
def test_any_grey_picture(image: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_plain(encoded(Image.fromarray(image))), image)


@given(st.data())
def test_damage_is_left_to_pillow(data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    content = bytearray(encoded(Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8))))
    whole = decode_plain(bytes(content))
    position = data.draw(st.integers(0, len(content) - 13))
    content[position] ^= data.draw(st.integers(1, 255))
    assert decode_plain(bytes(content)) is None
    assert decode_plain(bytes(content[: data.draw(st.integers(0, len(content) - 13))])) is None
    assert whole is not None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(Image.new("RGB", (9, 9))), id="colour"),
        pytest.param(encoded(Image.new("LA", (9, 9))), id="alpha"),
        pytest.param(encoded(Image.new("1", (9, 9))), id="one bit"),
        pytest.param(encoded(Image.new("I;16", (9, 9))), id="16 bits"),
        pytest.param(encoded(Image.new("P", (9, 9))), id="palette"),
        pytest.param(encoded(Image.new("L", (9, 9)), transparency=0), id="a transparent level"),
        pytest.param(encoded(Image.new("L", (257, 9))), id="large"),
        pytest.param(encoded(Image.new("L", (9, 9)), exif=Image.Exif().tobytes()), id="exif"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"GIF89a", id="another format"),
    ],
)
def test_what_is_not_plain_is_left_to_pillow(content: bytes) -> None:
    assert decode_plain(content) is None


def test_what_says_nothing_of_the_pixels_is_passed_over() -> None:
    image = Image.new("L", (9, 9), 77)
    plain = decode_plain(encoded(image, dpi=(300, 300)))
    np.testing.assert_array_equal(plain, np.asarray(image))


def test_a_text_chunk_makes_it_no_longer_plain() -> None:
    info = PngInfo()
    info.add_text("Title", "seven")
    assert decode_plain(encoded(Image.new("L", (9, 9)), pnginfo=info)) is None
