"""The image front end: whatever the picture, the network sees what MNIST would have made of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mnist_edge import DigitClassifier, ImageError, NoDigitError
from mnist_edge.preprocess.mnist_form import is_mnist_form
from mnist_edge.preprocess.preprocessor import preprocess_one
from tests.conftest import Digits

Bytes = npt.NDArray[np.uint8]


def test_every_mnist_image_is_known_for_one(train_digits: Digits, test_digits: Digits) -> None:
    for images in (train_digits[0], test_digits[0]):
        assert all(is_mnist_form(image) for image in images)


def test_many_are_told_as_each_is(train_digits: Digits) -> None:
    rng = np.random.default_rng(0)
    images = train_digits[0][:3000].copy()
    for image in images[::2]:
        image[:] = np.roll(image, rng.integers(-2, 3, 2), (0, 1))
    images[::7] *= rng.integers(0, 2, (len(images[::7]), 28, 1), np.uint8)
    images[5] = 0
    told = is_mnist_form(images)
    assert told.tolist() == [is_mnist_form(image) for image in images]
    assert 0.1 < told.mean() < 0.9


def test_mnist_form_passes_bit_for_bit_and_so_does_its_negative(train_digits: Digits) -> None:
    for image in train_digits[0][:500]:
        np.testing.assert_array_equal(preprocess_one(image), image)
        np.testing.assert_array_equal(preprocess_one(255 - image), image)
        np.testing.assert_array_equal(preprocess_one(Image.fromarray(image).convert("RGB")), image)


def enlarged(image: Bytes) -> Image.Image:
    return Image.fromarray(image).resize((196, 196), Image.Resampling.BICUBIC)


def on_page(image: Bytes, ink: int, paper: int) -> Image.Image:
    page = Image.new("L", (640, 480), paper)
    page.paste(ink, (70, 220), enlarged(image))
    return page


def by_window(image: Bytes) -> Image.Image:
    """A page in falling light, with the grain of a camera."""
    stencil = np.asarray(on_page(image, 255, 0), dtype=np.float32) / 255
    rng = np.random.default_rng(int(image.sum()))
    light = np.linspace(120, 220, 640) + rng.normal(0, 4, stencil.shape)
    return Image.fromarray(np.clip(light * (1 - 0.6 * stencil), 0, 255).astype(np.uint8))


def on_a_desk(image: Bytes) -> Image.Image:
    """A whole page, a little turned, with dark wood all round it."""
    page = on_page(image, 30, 240).crop((20, 180, 320, 460))
    desk = Image.new("L", (600, 560), 45)
    turned = page.rotate(6, Image.Resampling.BICUBIC, expand=True, fillcolor=45)
    desk.paste(turned, (110, 90))
    return desk


def far_away(image: Bytes) -> Image.Image:
    """A large page with a small digit, in a thin pen."""
    page = Image.new("L", (3000, 4000), 235)
    small = enlarged(image).point(lambda level: 255 if level > 200 else 0).resize((160, 160))
    page.paste(40, (1400, 1500), small)
    return page


def black_and_white(image: Bytes) -> Image.Image:
    return enlarged(image).point(lambda level: 0 if level > 127 else 255).convert("1")


def cut_to_the_ink(image: Bytes) -> Image.Image:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return Image.fromarray(255 - image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def upright_strip(image: Bytes) -> Image.Image:
    page = Image.new("L", (200, 1200), 250)
    page.paste(20, (2, 700), enlarged(image))
    return page


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda image: enlarged(image), id="enlarged"),
        pytest.param(lambda image: enlarged(255 - image), id="enlarged negative"),
        pytest.param(lambda image: on_page(image, 30, 240), id="dark on light"),
        pytest.param(lambda image: on_page(image, 230, 40), id="light on dark"),
        pytest.param(lambda image: on_page(image, 140, 190), id="pencil"),
        pytest.param(by_window, id="uneven light"),
        pytest.param(black_and_white, id="one bit"),
        pytest.param(on_a_desk, id="page on a desk"),
        pytest.param(far_away, id="far away"),
        pytest.param(cut_to_the_ink, id="cut to the ink"),
        pytest.param(upright_strip, id="tall"),
    ],
)
def test_pictures_are_read_nearly_as_well_as_mnist_itself(
    make: object, train_digits: Digits
) -> None:
    images, labels = train_digits[0][-300:], train_digits[1][-300:]
    classifier = DigitClassifier(min_confidence=0)
    answers = [p.digit for p in classifier.stream(make(image) for image in images)]  # type: ignore[operator]
    assert np.mean(np.array(answers, dtype=float) == labels) >= 0.98


def test_the_result_is_made_as_mnist_was(train_digits: Digits) -> None:
    for image in train_digits[0][:200]:
        prepared = preprocess_one(on_page(image, 30, 240))
        assert prepared.dtype == np.uint8
        assert prepared.max() == 255
        assert is_mnist_form(prepared)


def test_the_same_digit_in_either_polarity_gives_nearly_the_same_picture(
    train_digits: Digits,
) -> None:
    for image in train_digits[0][:100]:
        page = np.asarray(on_page(image, 30, 240).resize((320, 240)))
        dark, light = (preprocess_one(picture).astype(int) for picture in (page, 255 - page))
        # Light is made good for differently, so not to the last level.
        assert np.abs(dark - light).mean() <= 5


def test_dust_and_a_page_edge_are_no_part_of_the_digit(train_digits: Digits) -> None:
    clean, soiled = [], []
    for image in train_digits[0][:200]:
        page = on_page(image, 30, 240)
        clean.append(page.copy())
        page.paste(60, (600, 40, 606, 46))
        page.paste(30, (0, 0, 640, 12))
        soiled.append(page)
    classifier = DigitClassifier()
    expected = [prediction.digit for prediction in classifier.stream(clean)]
    assert [prediction.digit for prediction in classifier.stream(soiled)] == expected


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 200)])
def test_a_flat_picture_has_no_digit(level: int, shape: tuple[int, int]) -> None:
    with pytest.raises(NoDigitError, match="no digit found"):
        preprocess_one(np.full(shape, level, dtype=np.uint8))


def test_blank_paper_has_no_digit() -> None:
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (300, 400))
    lamp = np.linspace(140, 220, 400)
    with pytest.raises(NoDigitError):
        preprocess_one(np.clip(lamp + grain, 0, 255).astype(np.uint8))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3, 4]),
    st.randoms(use_true_random=False),
)
def test_any_array_gives_a_picture_or_our_error(
    height: int, width: int, channels: int, random: object
) -> None:
    pixels = np.frombuffer(random.randbytes(height * width * channels), np.uint8)  # type: ignore[attr-defined]
    try:
        prepared = preprocess_one(pixels.reshape(height, width, channels))
    except ImageError:
        return
    assert prepared.shape == (28, 28)
    assert prepared.dtype == np.uint8
    assert prepared.any()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["7-chalk.jpg", "7-pen.png", "7-mnist.png"]), st.data())
def test_any_bytes_give_a_picture_or_our_error(name: str, data: st.DataObject) -> None:
    from tests.conftest import SAMPLES

    content = bytearray((SAMPLES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        prepared = preprocess_one(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ImageError:
        return
    assert prepared.shape == (28, 28)
