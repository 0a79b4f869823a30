"""Lines of digits are found, cut out straight, and read the same alone or among others."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_edge import ModelError, NumberReader
from mnist_edge.bundled import bundled_models, bundled_number_models
from mnist_edge.numbers.line_finder import LineFinder, clean_strip
from mnist_edge.numbers.line_image import DIGIT_HEIGHT, LinePlace, cut_line
from mnist_edge.numbers.line_model import FinderModel, LineModel
from mnist_edge.numbers.text_line import LINE_HEIGHT
from mnist_edge.preprocess.background import to_gray
from mnist_edge.types import GrayImage
from tests.conftest import Digits


@pytest.fixture(scope="module")
def reader() -> NumberReader:
    return NumberReader()


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("is_rgb", [False, True])
def test_a_lone_digit_of_mnist_is_read(
    reader: NumberReader, train_digits: Digits, is_dark: bool, is_rgb: bool
) -> None:
    right = 0
    for image, label in zip(train_digits[0][:60], train_digits[1][:60], strict=True):
        picture = 255 - image if is_dark else image
        source = np.repeat(picture[..., np.newaxis], 3, axis=2) if is_rgb else picture
        right += reader.read_batch([source], [None])[0].text == str(label)
    assert right >= 57


def test_digits_side_by_side_are_one_strip_with_their_boxes_in_place(
    reader: NumberReader, train_digits: Digits
) -> None:
    right = 0
    for first in range(0, 100, 4):
        images, labels = (part[first : first + 4] for part in train_digits)
        strip = np.concatenate(list(images), axis=1)
        assert clean_strip(strip) is not None
        (reading,) = reader.read_batch([strip], [None])
        if reading.text != "".join(map(str, labels)):
            continue
        right += 1
        for place, digit in enumerate(reading.numbers[0].digits):
            left, top, right_side, bottom = digit.box
            assert 28 * place - 2 <= left < right_side <= 28 * (place + 1) + 2
            assert 0 <= top < bottom <= 28
    assert right >= 20


@pytest.mark.parametrize(
    "picture",
    [
        np.full((28, 140), 200, np.uint8),
        np.tile(np.arange(140, dtype=np.uint8), (28, 1)),
        np.full((28, 140), 0, np.uint8),
        np.full((300, 500), 255, np.uint8),
    ],
)
def test_what_is_no_strip_is_left_to_the_network(picture: GrayImage) -> None:
    assert clean_strip(picture) is None


@pytest.mark.parametrize("degrees", [-35, -12, 0, 8, 30])
@pytest.mark.parametrize("is_dark", [True, False])
def test_a_slanted_line_comes_out_straight(degrees: float, is_dark: bool) -> None:
    """A bar as long as a line, at any angle, on paper in a shadow."""
    height, length, center = 60.0, 300.0, (320.0, 240.0)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ends = [(center[0] + s * length / 2 * cos, center[1] + s * length / 2 * sin) for s in (-1, 1)]
    page = Image.new("L", (640, 480), 220 if is_dark else 40)
    ImageDraw.Draw(page).line(ends, 60 if is_dark else 200, 10)
    pixels = (np.asarray(page) * np.linspace(1, 0.6, 640)).astype(np.uint8)
    line = cut_line(to_gray(pixels), LinePlace(ends[0], ends[1], height, is_dark))
    rows = (line.image > 128).sum(axis=1)
    assert line.image.shape[0] == LINE_HEIGHT
    assert rows[15:17].min() > 0.9 * length * DIGIT_HEIGHT / height
    assert rows[:11].max() == rows[21:].max() == 0
    # The first inked column, in the middle, lies at the bar's end in the picture.
    column = int((line.image[15:17] > 128).any(axis=0).argmax())
    np.testing.assert_allclose(line.to_picture @ (column, 16, 1), ends[0], atol=6)


def test_outside_the_picture_is_paper() -> None:
    page = np.full((40, 60), 230, np.uint8)
    page[8:32, :4] = 20  # ink that the picture cuts off
    line = cut_line(to_gray(page), LinePlace((-30.0, 20.0), (30.0, 20.0), 24.0, is_dark=True))
    assert line.image[:, : line.image.shape[1] // 4].max() < 60


def test_a_line_reads_the_same_alone_and_among_others() -> None:
    model = LineModel.load()
    rng = np.random.default_rng(0)
    lines = [rng.integers(0, 256, (32, width), np.uint8) for width in (4, 33, 100, 101, 128, 400)]
    together = model.run([*lines, *lines])
    for line, one, again in zip(lines, together[:6], together[6:], strict=True):
        (alone,) = model.run([line])
        assert len(alone.probabilities) == -(-line.shape[1] // 2)
        for other in (one, again):
            np.testing.assert_array_equal(alone.probabilities, other.probabilities)
            np.testing.assert_array_equal(alone.boxes, other.boxes)
    assert model.run([]) == []


def test_models_can_be_copied_and_sent() -> None:
    line = np.zeros((32, 64), np.uint8)
    model = LineModel.load()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(
            other.run([line])[0].probabilities, model.run([line])[0].probabilities
        )
    finder = pickle.loads(pickle.dumps(LineFinder()))
    assert finder.find(np.full((200, 300), 240, np.uint8)) == []


@pytest.mark.parametrize("kind", [LineModel, FinderModel])
def test_another_model_is_an_error(
    kind: type[LineModel] | type[FinderModel], tmp_path: Path
) -> None:
    numbers = bundled_number_models()
    own = numbers["line-reader-int8" if kind is LineModel else "line-finder-int8"]
    for path in (*bundled_models().values(), *(path for path in numbers.values() if path != own)):
        with pytest.raises(ModelError, match="not a line"):
            kind.load(path)
    (tmp_path / "cut.onnx").write_bytes(own.read_bytes()[:20_000])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        kind.load(tmp_path / "cut.onnx")
