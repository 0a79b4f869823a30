"""The decoder for small gray PNGs agrees with Pillow, and leaves everything else to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mnist_edge.inputs import png
from mnist_edge.inputs.png import decode_small_png
from tests.conftest import Digits


def encoded(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_mnist_images_are_decoded(train_digits: Digits) -> None:
    for image in train_digits[0][:200]:
        np.testing.assert_array_equal(decode_small_png(encoded(Image.fromarray(image))), image)


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=80)))
def test_any_gray_image_is_decoded(image: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_small_png(encoded(Image.fromarray(image))), image)


@given(st.data())
def test_damaged_files_are_left_to_pillow(data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    content = bytearray(encoded(Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8))))
    whole = decode_small_png(bytes(content))
    position = data.draw(st.integers(0, len(content) - 13))
    content[position] ^= data.draw(st.integers(1, 255))
    assert decode_small_png(bytes(content)) is None
    assert decode_small_png(bytes(content[: data.draw(st.integers(0, len(content) - 13))])) is None
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
def test_other_kinds_are_left_to_pillow(content: bytes) -> None:
    assert decode_small_png(content) is None


def test_chunks_that_do_not_change_pixels_are_skipped() -> None:
    image = Image.new("L", (9, 9), 77)
    plain = decode_small_png(encoded(image, dpi=(300, 300)))
    np.testing.assert_array_equal(plain, np.asarray(image))


def test_a_file_with_a_text_chunk_is_left_to_pillow() -> None:
    info = PngInfo()
    info.add_text("Title", "seven")
    assert decode_small_png(encoded(Image.new("L", (9, 9)), pnginfo=info)) is None


@pytest.fixture(params=["private", "public"])
def _either_decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's private decoder, and the public function that stands in for it."""
    if request.param == "public":
        monkeypatch.setattr("PIL.__version__", "99.0.0")
    decompress = png._decompressor()
    assert (decompress is png._decompress_publicly) == (request.param == "public")
    monkeypatch.setattr(png, "_decompress", decompress)


@pytest.mark.usefixtures("_either_decoder")
def test_private_and_public_decoder_agree(train_digits: Digits) -> None:
    for image in train_digits[0][:50]:
        content = encoded(Image.fromarray(image))
        np.testing.assert_array_equal(decode_small_png(content), image)
        cut = bytearray(content)
        cut[50] ^= 1
        assert decode_small_png(bytes(cut)) is None
    assert png._decompress(b"no zlib data", 20, 20) is None


def test_without_the_private_module_the_public_one_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("PIL._imaging.zip_decoder")
    assert png._decompressor() is png._decompress_publicly
