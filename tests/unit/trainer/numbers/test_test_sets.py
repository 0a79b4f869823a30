"""The pictures of the test sets against their truth, which other code finds in the pixels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from mnist_edge_trainer.numbers.test_sets import displays, handwriting, photographs, typefaces
from mnist_edge_trainer.numbers.test_sets.records import Hand, Mark, NumberPicture
from mnist_edge_trainer.numbers.test_sets.sets import ALL_SETS, LENGTHS, pictures
from tests.conftest import Digits


@pytest.fixture(scope="module")
def hand(train_digits: Digits) -> Hand:
    images, labels = train_digits
    return Hand(images[:500], labels[:500])


@pytest.fixture(scope="module")
def bars() -> Hand:
    """A hand that writes every digit as a bar of 6 x 20 pixels."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 11:17] = 255
    return Hand(np.stack([image] * 10), np.arange(10, dtype=np.uint8))


def darkness(picture: NumberPicture) -> np.ndarray:
    pixels = picture.pixels().astype(float)
    return 255 - (pixels if pixels.ndim == 2 else pixels.mean(axis=2))


def available(name: str) -> None:
    if name == "printed" and typefaces.missing_typefaces():
        pytest.skip("the typefaces are not installed")


@pytest.mark.parametrize("name", ALL_SETS)
def test_a_picture_and_its_truth(name: str, hand: Hand) -> None:
    available(name)
    for picture in pictures(name, [hand], 3):
        height, width = picture.pixels().shape[:2]
        assert picture.text.isdigit() == (name != "no-number")
        assert len(picture.boxes) == len(picture.text)
        for x0, y0, x1, y1 in picture.boxes:
            assert x0 < x1
            assert y0 < y1
            if name != "cut-close":  # which cuts into digits
                assert x0 >= 0
                assert y0 >= 0
                assert x1 <= width
                assert y1 <= height


@pytest.mark.parametrize("name", ALL_SETS)
def test_a_set_is_the_same_each_time_and_begins_with_a_smaller_one(name: str, hand: Hand) -> None:
    available(name)
    small, large = list(pictures(name, [hand], 2)), list(pictures(name, [hand], 3))
    assert [picture.content for picture in small] == [picture.content for picture in large[:2]]
    assert large[0].content != next(pictures(name, [hand], 1, seed=1)).content


def test_every_length_occurs(hand: Hand) -> None:
    lengths = {len(picture.text) for picture in pictures("side-by-side", [hand], 60)}
    assert lengths == set(LENGTHS)


def test_side_by_side_is_the_images_themselves(hand: Hand) -> None:
    picture = handwriting.side_by_side(hand, 4, np.random.default_rng(0))
    pixels = picture.pixels()
    assert pixels.shape == (28, 112)
    for cell, digit, box in zip(np.hsplit(pixels, 4), picture.text, picture.boxes, strict=True):
        matches = (hand.images == cell).all(axis=(1, 2))
        assert int(digit) in hand.labels[matches]
        rows, columns = ndimage.find_objects((cell >= 64).astype(int))[0]
        assert (box[1], box[3]) == (rows.start, rows.stop)
        assert (box[0] % 28, (box[2] - 1) % 28 + 1) == (columns.start, columns.stop)


def test_spaced_digits_are_apart_and_touching_ones_are_not(bars: Hand) -> None:
    for seed, length in itertools.product(range(8), (3, 7)):
        apart = handwriting.spaced(bars, length, np.random.default_rng(seed))
        assert ndimage.label(darkness(apart) > 128)[1] == length
        joined = handwriting.touching(bars, length, np.random.default_rng(seed))
        assert ndimage.label(darkness(joined) > 5)[1] == 1
        # No two overlap by more than 2.4 of 28 pixels, and one for rounding.
        pixels_of_28 = (joined.boxes[0][3] - joined.boxes[0][1]) / 20
        for left, right in itertools.pairwise(joined.boxes):
            assert left[2] - right[0] <= 2.4 * pixels_of_28 + 2


def test_boxes_follow_the_ink_through_the_perspective(bars: Hand) -> None:
    """Bars of one colour on an even page: dark components lie where the boxes say."""
    rng = np.random.default_rng(3)
    page = photographs.blank_page((500, 700), rng)
    marks = handwriting.row_of_marks([bars.images[0] / np.float32(255)] * 4, [8.0] * 3, 4.0, rng)
    for mark in marks:
        placed = Mark(mark.ink, mark.x + 250, mark.y + 220)
        page.ink(placed, (0, 0, 0))
        page.marks.append(placed)
    picture = photographs.photograph(page, "0000", rng)
    dark = darkness(picture)
    local = ndimage.maximum_filter(dark, 41) + ndimage.minimum_filter(dark, 41)
    labels, count = ndimage.label((dark > local / 2) & (dark > 150))
    found = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in ndimage.find_objects(labels)
        if rows.stop - rows.start > 40
    ]
    assert count >= 4
    assert sorted(found) == pytest.approx(np.array(sorted(picture.boxes)), abs=2.5)


@pytest.mark.parametrize("digit", "0123456789")
def test_a_display_lights_the_segments_of_its_digit(digit: str) -> None:
    """Levels at the middles of the segments, in the box of an 8 of the same display."""
    lit = {
        "0": "abcdef", "1": "bc", "2": "abdeg", "3": "abcdg", "4": "bcfg",
        "5": "acdfg", "6": "acdefg", "7": "abc", "8": "abcdefg", "9": "abcdfg",
    }  # fmt: skip
    optional = {"6": "a", "9": "d", "7": "f"}
    middles = {
        "a": (0.5, 0.06), "b": (0.93, 0.28), "c": (0.93, 0.72), "d": (0.5, 0.94),
        "e": (0.07, 0.72), "f": (0.07, 0.28), "g": (0.5, 0.5),
    }  # fmt: skip
    seed = next(
        seed
        for seed in range(1000)
        if displays.random_style(np.random.default_rng(seed)).slant == 0
    )
    rng = np.random.default_rng(seed)
    style = displays.random_style(rng)
    layers = displays.draw_segments(f"8{digit}8", style, 100.0, None, rng, tilt=0)
    first, last = layers.boxes[0], layers.boxes[2]
    step = (last[0] - first[0]) / 2
    x0, y0, x1, y1 = first[0] + step, first[1], first[2] + step, first[3]
    for segment, (x, y) in middles.items():
        column, row = round(x0 + x * (x1 - x0)), round(y0 + y * (y1 - y0))
        level = layers.lit[row - 2 : row + 3, column - 2 : column + 3].max()
        if segment not in optional.get(digit, ""):
            assert (level > 0.5) == (segment in lit[digit]), segment


def test_typefaces_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert typefaces.missing_typefaces() == [f"fontpkg-{name}" for name in typefaces.TYPEFACES]
    assert len(typefaces.TYPEFACES) == 10
