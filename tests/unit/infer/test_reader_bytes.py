"""Any bytes at all, and any pixels, give numbers or one of our errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_edge import ImageError, NumberReader
from mnist_edge.bundled import bundled_number_models
from mnist_edge.types import ImageSource
from tests.conftest import SAMPLES
from tests.rows import READING_VALIDATOR

pytestmark = pytest.mark.skipif(
    not bundled_number_models(), reason="this checkout has no models/numbers"
)

PICTURES = [path.read_bytes() for path in sorted(SAMPLES.glob("[0-3]-*"))]


@pytest.fixture(scope="module")
def reader() -> NumberReader:
    return NumberReader(min_confidence=0)


def reads_or_fails(reader: NumberReader, source: ImageSource) -> None:
    try:
        reading = reader.read(source)
    except ImageError:
        return
    READING_VALIDATOR.validate({**reading.to_dict(), "path": "x"})
    assert reading.size is not None
    width, height = reading.size
    for number in reading.numbers:
        assert len(number.text) == len(number.digits)
        for left, top, right, bottom in (number.box, *(digit.box for digit in number.digits)):
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_bytes(reader: NumberReader, content: bytes) -> None:
    reads_or_fails(reader, content)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_pictures(reader: NumberReader, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(PICTURES)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    reads_or_fails(reader, bytes(content[: data.draw(st.integers(1, len(content)))]))


@settings(deadline=None, max_examples=150)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 400)),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["noise", "bars", "blocks", "flat"]),
    st.booleans(),
)
def test_pixels_of_any_size(
    reader: NumberReader, shape: tuple[int, int], seed: int, kind: str, in_colour: bool
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, shape, np.uint8)
    if kind == "bars":
        pixels[:] = rng.choice(np.array([0, 255], np.uint8), shape[1])
    elif kind == "blocks":
        pixels = np.kron(pixels[::8, ::8], np.ones((8, 8), np.uint8))
    elif kind == "flat":
        pixels[:] = pixels[0, 0]
    reads_or_fails(reader, np.stack([pixels] * 3, axis=2) if in_colour else pixels)


@pytest.mark.parametrize("name", ["no-such-file", "."])
def test_paths_that_are_no_pictures(reader: NumberReader, name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        reader.read(tmp_path / name)
