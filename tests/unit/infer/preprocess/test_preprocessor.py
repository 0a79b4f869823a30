"""Preprocessing: whatever the picture, the network sees what MNIST would have made of it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mnist_edge import DigitClassifier, ImageError, ImageReadError, NoDigitError
from mnist_edge.inputs.decode import decode_all
from mnist_edge.preprocess.mnist_form import is_mnist_form
from mnist_edge.preprocess.preprocessor import preprocess, preprocess_one
from mnist_edge.types import GrayImage, ImageSource, Pixels, Preprocessing
from tests.conftest import SAMPLES, Digits

MakePicture = Callable[[GrayImage], Image.Image]


def enlarged(image: GrayImage) -> Image.Image:
    return Image.fromarray(image).resize((196, 196), Image.Resampling.BICUBIC)


def enlarged_negative(image: GrayImage) -> Image.Image:
    return enlarged(255 - image)


def on_page(image: GrayImage, ink: int, paper: int) -> Image.Image:
    page = Image.new("L", (640, 480), paper)
    page.paste(ink, (70, 220), enlarged(image))
    return page


def dark_on_light(image: GrayImage) -> Image.Image:
    return on_page(image, 30, 240)


def light_on_dark(image: GrayImage) -> Image.Image:
    return on_page(image, 230, 40)


def in_pencil(image: GrayImage) -> Image.Image:
    return on_page(image, 140, 190)


def in_uneven_light(image: GrayImage) -> Image.Image:
    """A page in falling light, with the noise of a camera."""
    stencil = np.asarray(on_page(image, 255, 0), dtype=np.float32) / 255
    rng = np.random.default_rng(int(image.sum()))
    light = np.linspace(120, 220, 640) + rng.normal(0, 4, stencil.shape)
    return Image.fromarray(np.clip(light * (1 - 0.6 * stencil), 0, 255).astype(np.uint8))


def page_on_a_desk(image: GrayImage) -> Image.Image:
    """A whole page, a little turned, with dark wood all round it."""
    page = dark_on_light(image).crop((20, 180, 320, 460))
    desk = Image.new("L", (600, 560), 45)
    turned = page.rotate(6, Image.Resampling.BICUBIC, expand=True, fillcolor=45)
    desk.paste(turned, (110, 90))
    return desk


def far_away(image: GrayImage) -> Image.Image:
    """A large page with a small digit, in a thin pen."""
    page = Image.new("L", (3000, 4000), 235)
    small = enlarged(image).point(lambda level: 255 if level > 200 else 0).resize((160, 160))
    page.paste(40, (1400, 1500), small)
    return page


def one_bit(image: GrayImage) -> Image.Image:
    return enlarged(image).point(lambda level: 0 if level > 127 else 255).convert("1")


def cut_to_the_ink(image: GrayImage) -> Image.Image:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return Image.fromarray(255 - image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def tall_strip(image: GrayImage) -> Image.Image:
    page = Image.new("L", (200, 1200), 250)
    page.paste(20, (2, 700), enlarged(image))
    return page


SCENES: list[MakePicture] = [
    enlarged,
    enlarged_negative,
    dark_on_light,
    light_on_dark,
    in_pencil,
    in_uneven_light,
    one_bit,
    page_on_a_desk,
    far_away,
    cut_to_the_ink,
    tall_strip,
]
every_scene = pytest.mark.parametrize("make", SCENES, ids=lambda make: make.__name__)


def accuracy_in_scene(make: MakePicture, digits: Digits, count: int) -> float:
    images, labels = digits[0][-count:], digits[1][-count:]
    classifier = DigitClassifier(min_confidence=0)
    predicted = [p.digit for p in classifier.stream(make(image) for image in images)]
    return float(np.mean(np.array(predicted, dtype=float) == labels))


@every_scene
def test_accuracy_in_every_scene(make: MakePicture, train_digits: Digits) -> None:
    assert accuracy_in_scene(make, train_digits, 60) >= 0.95


@pytest.mark.slow
@every_scene
def test_accuracy_in_every_scene_is_nearly_that_on_mnist(
    make: MakePicture, train_digits: Digits
) -> None:
    assert accuracy_in_scene(make, train_digits, 300) >= 0.98


def test_mnist_form_and_its_negative_pass_bit_for_bit(train_digits: Digits) -> None:
    for image in train_digits[0][:500]:
        np.testing.assert_array_equal(preprocess_one(image), image)
        np.testing.assert_array_equal(preprocess_one(255 - image), image)
        np.testing.assert_array_equal(preprocess_one(Image.fromarray(image).convert("RGB")), image)


def test_batch_equals_single_pictures_in_order(train_digits: Digits) -> None:
    images = train_digits[0][:4]
    sources: list[ImageSource] = [
        images[0],
        dark_on_light(images[1]),
        255 - images[2],
        np.roll(images[3], 3, axis=1),
        SAMPLES / "6-card.jpg",
    ]
    names = [None] * len(sources)
    batch = preprocess(decode_all(sources, names), names)
    assert len(batch) == len(sources)
    for source, image in zip(sources, batch, strict=True):
        assert isinstance(image, np.ndarray)
        np.testing.assert_array_equal(image, preprocess_one(source))
    np.testing.assert_array_equal(batch[0], images[0])
    np.testing.assert_array_equal(batch[2], images[2])


def test_preprocess_does_not_change_its_pictures(train_digits: Digits) -> None:
    pictures = [
        train_digits[0][0],
        255 - train_digits[0][1],
        np.asarray(enlarged(train_digits[0][2])),
    ]
    before = [picture.copy() for picture in pictures]
    preprocess(pictures, [None] * 3)
    for picture, copy in zip(pictures, before, strict=True):
        np.testing.assert_array_equal(picture, copy)


@pytest.mark.parametrize("kind", Preprocessing)
def test_errors_stay_at_the_position_of_their_picture(
    kind: Preprocessing, train_digits: Digits
) -> None:
    unreadable = ImageReadError("b.png: no such file")
    pictures: list[Pixels | ImageError] = [train_digits[0][0], unreadable, train_digits[0][1]]
    first, error, last = preprocess(pictures, ["a.png", "b.png", "c.png"], kind)
    assert error is unreadable
    np.testing.assert_array_equal(first, train_digits[0][0])
    np.testing.assert_array_equal(last, train_digits[0][1])


def test_empty_batch_has_no_images() -> None:
    assert preprocess([], []) == []


def test_picture_without_digit_becomes_an_error_with_its_name(train_digits: Digits) -> None:
    blank = np.full((60, 80), 200, np.uint8)
    named, image, unnamed = preprocess([blank, train_digits[0][0], blank], ["a.png", "b.png", None])
    message = "no digit found; nothing stands out from the background"
    assert isinstance(named, NoDigitError)
    assert isinstance(unnamed, NoDigitError)
    assert isinstance(image, np.ndarray)
    assert (str(named), str(unnamed)) == (f"a.png: {message}", f"image: {message}")


def test_preprocess_one_names_the_picture_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("L", (90, 90), 255).save(path)
    with pytest.raises(NoDigitError, match=r"blank\.png: no digit found"):
        preprocess_one(path)
    with pytest.raises(NoDigitError, match="scan 7: no digit found"):
        preprocess_one(path, name="scan 7")
    with pytest.raises(ImageReadError, match="image: the file is empty"):
        preprocess_one(b"")


def test_preprocess_one_reads_every_kind_of_source(tmp_path: Path, train_digits: Digits) -> None:
    picture = dark_on_light(train_digits[0][0])
    path = tmp_path / "digit.png"
    picture.save(path)
    expected = preprocess_one(path)
    content = path.read_bytes()
    for source in (str(path), content, io.BytesIO(content), picture, np.asarray(picture)):
        np.testing.assert_array_equal(preprocess_one(source), expected)


def test_plain_preprocessing_keeps_the_whole_picture(train_digits: Digits) -> None:
    picture = np.asarray(light_on_dark(train_digits[0][0]))
    (plain,) = preprocess([picture], [None], kind=Preprocessing.PLAIN)
    assert isinstance(plain, np.ndarray)
    assert plain.shape == (28, 28)
    assert plain[0, 0] == 40  # the paper is not removed
    np.testing.assert_array_equal(plain, preprocess_one(picture, kind=Preprocessing.PLAIN))


def test_result_is_in_mnist_form(train_digits: Digits) -> None:
    images = np.stack([preprocess_one(dark_on_light(image)) for image in train_digits[0][:200]])
    assert images.dtype == np.uint8
    assert (images.max(axis=(1, 2)) == 255).all()
    assert is_mnist_form(images).all()


def test_either_polarity_gives_nearly_the_same_image(train_digits: Digits) -> None:
    for image in train_digits[0][:100]:
        page = np.asarray(dark_on_light(image).resize((320, 240)))
        dark, light = (preprocess_one(picture).astype(int) for picture in (page, 255 - page))
        # The correction for the light differs, so not to the last level.
        assert np.abs(dark - light).mean() <= 5


@pytest.mark.parametrize("count", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_dust_and_page_edge_do_not_change_predictions(count: int, train_digits: Digits) -> None:
    clean, soiled = [], []
    for image in train_digits[0][:count]:
        page = dark_on_light(image)
        clean.append(page.copy())
        page.paste(60, (600, 40, 606, 46))
        page.paste(30, (0, 0, 640, 12))
        soiled.append(page)
    classifier = DigitClassifier()
    expected = [prediction.digit for prediction in classifier.stream(clean)]
    assert [prediction.digit for prediction in classifier.stream(soiled)] == expected


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 200)])
def test_flat_picture_has_no_digit(level: int, shape: tuple[int, int]) -> None:
    with pytest.raises(NoDigitError, match="no digit found"):
        preprocess_one(np.full(shape, level, dtype=np.uint8))


def test_noisy_paper_in_uneven_light_has_no_digit() -> None:
    noise = np.random.default_rng(0).normal(0, 2, (300, 400))
    light = np.linspace(140, 220, 400)
    with pytest.raises(NoDigitError):
        preprocess_one(np.clip(light + noise, 0, 255).astype(np.uint8))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3, 4]),
    st.randoms(use_true_random=False),
)
def test_any_array_gives_an_image_or_an_image_error(
    height: int, width: int, channels: int, rng: random.Random
) -> None:
    pixels = np.frombuffer(rng.randbytes(height * width * channels), np.uint8)
    try:
        image = preprocess_one(pixels.reshape(height, width, channels))
    except ImageError:
        return
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert image.any()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["7-chalk.jpg", "7-pen.png", "7-mnist.png"]), st.data())
def test_any_bytes_give_an_image_or_an_image_error(name: str, data: st.DataObject) -> None:
    content = bytearray((SAMPLES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = preprocess_one(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ImageError:
        return
    assert image.shape == (28, 28)
