"""Arrays of every kind that people keep pictures in become the pixels that they stand for."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mnist_edge import ImageReadError
from mnist_edge.inputs.arrays import to_uint8
from mnist_edge.inputs.decode import decode

Array = npt.NDArray[np.generic]


@pytest.fixture
def gray() -> npt.NDArray[np.uint8]:
    """All levels, in no order: uint8 ``[30, 40]``."""
    return (
        np.random.default_rng(0)
        .permutation(np.arange(1_200) % 256)
        .astype(np.uint8)[:1_200]
        .reshape(30, 40)
    )


TYPES: dict[str, Callable[[npt.NDArray[np.uint8]], Array]] = {
    **{kind: functools.partial(np.asarray, dtype=kind) for kind in ("i2", "i4", "i8", "u2", "u8")},
    "uint16 of 16 bits": lambda gray: gray.astype(np.uint16) * 257,
    "big-endian uint16": lambda gray: (gray.astype(np.uint16) * 257).astype(">u2"),
    "int16 of 15 bits": lambda gray: np.rint(gray / 255 * 32_767).astype(np.int16),
    "float32 in 0..1": lambda gray: gray.astype(np.float32) / 255,
    "float16 in 0..1": lambda gray: (gray / 255).astype(np.float16),
    "big-endian float64 in 0..1": lambda gray: (gray / 255).astype(">f8"),
    "float64 in 0..255": lambda gray: gray.astype(np.float64),
    "float in 0..1 that overshoots": lambda gray: gray / 255 * 1.0005,
}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_gives_the_levels_that_it_stands_for(
    gray: npt.NDArray[np.uint8], kind: str
) -> None:
    difference = to_uint8(TYPES[kind](gray), "a").astype(int) - gray
    assert np.abs(difference).max() == 0


def test_bool_is_black_and_white(gray: npt.NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(to_uint8(gray > 99, "a"), np.where(gray > 99, 255, 0))


def test_a_large_array_is_converted_as_a_small_one() -> None:
    values = np.random.default_rng(0).random((1_500, 1_100), np.float32)
    np.testing.assert_array_equal(to_uint8(values, "a"), np.rint(values * 255).astype(np.uint8))


SHAPES: dict[str, Callable[[npt.NDArray[np.uint8]], Array]] = {
    "[H, W, 1]": lambda gray: gray[:, :, None],
    "[1, H, W]": lambda gray: gray[None],
    "[1, 1, H, W]": lambda gray: gray[None, None],
    "[1, H, W, 1]": lambda gray: gray[None, :, :, None],
    "[H, W, 2]": lambda gray: np.stack([gray, np.full_like(gray, 255)], 2),
    "[H, W, 3]": lambda gray: np.stack([gray] * 3, 2),
    "[3, H, W]": lambda gray: np.stack([gray] * 3),
    "[1, 3, H, W]": lambda gray: np.stack([gray] * 3)[None],
    "[H, W, 4]": lambda gray: np.stack([*[gray] * 3, np.full_like(gray, 255)], 2),
    "[4, H, W]": lambda gray: np.stack([*[gray] * 3, np.full_like(gray, 255)]),
    "by column": np.asfortranarray,
    "mirrored twice": lambda gray: gray[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda gray: np.repeat(np.repeat(gray, 2, 0), 2, 1)[::2, ::2],
    "masked": np.ma.asarray,
    "matrix": lambda gray: np.asmatrix(gray),
    "read-only": lambda gray: np.frombuffer(gray.tobytes(), np.uint8).reshape(gray.shape),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_every_shape_and_layout_gives_the_same_pixels(
    gray: npt.NDArray[np.uint8], shape: str, dtype: type
) -> None:
    np.testing.assert_array_equal(decode(SHAPES[shape](gray).astype(dtype)), gray)


def test_channels_first_keep_their_colours(gray: npt.NDArray[np.uint8]) -> None:
    colours = np.stack([gray, 255 - gray, gray // 2], 2)
    np.testing.assert_array_equal(decode(colours.transpose(2, 0, 1)), colours)


@pytest.mark.parametrize(
    "shape", [(5, 28, 28), (2, 28, 28), (28, 28, 28), (2, 28, 28, 1), (5, 3, 28, 28)]
)
def test_several_pictures_are_an_error_that_names_stream(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageReadError, match="`stream`"):
        decode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((0, 28), np.uint8), "shape"),
        (np.zeros(784, np.uint8), r"reshape it to \[28, 28\]"),
        (np.zeros((), np.uint8), "shape"),
        (np.full((28, 28), 300, np.int64), "0..255"),
        (np.full((28, 28), 1 << 63, np.uint64), "0..255"),
        (np.full((28, 28), -1, np.int16), "0..255"),
        (np.full((28, 28), 1.5), "0..1"),
        (np.full((28, 28), 256.0), "0..1"),
        (np.full((28, 28), -0.5), "0..1"),
        (np.full((28, 28), np.nan), "0..1"),
        (np.full((28, 28), np.inf), "0..1"),
        (np.zeros((28, 28), np.complex64), "complex64"),
        (np.full((28, 28), "a"), "<U1"),
        (np.full((28, 28), None), "object"),
        (np.zeros((28, 28), "M8[s]"), "datetime64"),
        (np.zeros((28, 28), [("r", "u1")]), "'r'"),
    ],
)
def test_arrays_that_are_no_pixels_are_errors(array: Array, reason: str) -> None:
    with pytest.raises(ImageReadError, match=reason):
        decode(array)
