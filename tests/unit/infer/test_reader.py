"""NumberReader, with made-up networks: what it makes of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import mnist_edge.reader
from mnist_edge import ImageReadError, NoDigitError, NumberReader, UsageError
from mnist_edge.numbers.line_model import LineModel
from mnist_edge.numbers.text_line import TextLine
from mnist_edge.types import GrayImage, ImageSource, Pixels
from tests.rows import READING_VALIDATOR
from tests.unit.infer.numbers.columns import Columns, spaced, text_line


class Finder:
    """Finds the lines that are given to it, on every picture that is not blank."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self.lines = list(lines)

    def find(self, picture: Pixels) -> list[TextLine]:
        return self.lines if np.ptp(picture) else []


class Lines:
    """Says the same of the lines of every picture."""

    calibration = (1.0, 0.0)
    min_confidence = 0.5

    def __init__(self, columns: Sequence[Columns]) -> None:
        self.columns = list(columns)

    def run(self, lines: Sequence[GrayImage]) -> list[Columns]:
        return self.columns * (len(lines) // len(self.columns))


@pytest.fixture
def two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture that is not blank says 12 and 034 above 7."""
    finder = Finder([text_line(180, 0, 60), text_line(180, 10, 4)])
    lines = Lines([spaced("7"), spaced("12    034")])
    monkeypatch.setattr(mnist_edge.reader, "LineFinder", lambda *_, **__: finder)
    monkeypatch.setattr(LineModel, "load", lambda *_: lines)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    pixels = np.full((100, 200, 3), 255, np.uint8)
    pixels[40:60, 20:180] = 0
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.usefixtures("two_rows")
class TestRead:
    def test_text_is_by_rows_and_fields_follow_the_schema(self, picture: Path) -> None:
        reading = NumberReader().read(picture)
        assert reading.text == "12 034\n7"
        assert reading.confidence == pytest.approx(1, abs=0.02)
        assert [number.row for number in reading.numbers] == [0, 0, 1]
        fields = reading.to_dict()
        READING_VALIDATOR.validate(fields)
        assert list(fields) == ["path", "text", "confidence", "numbers", "error"]
        assert fields["path"] == str(picture)

    def test_path_bytes_image_and_array_agree(self, picture: Path) -> None:
        reader = NumberReader()
        with Image.open(picture) as image:
            sources = (picture, picture.read_bytes(), image, np.asarray(image))
            texts = {reader.read(source).text for source in sources}
        assert texts == {"12 034\n7"}

    @pytest.mark.parametrize("orientation", [1, 3, 6, 8])
    def test_boxes_are_in_the_upright_picture_at_its_full_size(
        self, orientation: int, tmp_path: Path
    ) -> None:
        image = Image.fromarray(
            np.arange(1200 * 2000, dtype=np.uint32).astype(np.uint8).reshape(1200, 2000)
        )
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / "turned.jpg", exif=exif)
        reading = NumberReader().read(tmp_path / "turned.jpg")
        upright = (1200, 2000) if orientation > 4 else (2000, 1200)
        assert reading.size == upright
        # The same lines on the reduced picture, which is a quarter of the size.
        left, top, *_ = reading.numbers[0].box
        factor = 4
        assert (left, top) == (factor * (10 + 13 - 8), factor * (4 + 4))

    def test_constraints_reach_the_search(self, picture: Path) -> None:
        assert NumberReader(length=5).read(picture).text == "12034"
        assert NumberReader(choices=["034", "99"]).read(picture).text == "034"
        assert NumberReader(pattern=r"\d").read(picture).text == "7"
        with pytest.raises(NoDigitError, match=r"allow \(looks like 12 034 7\)"):
            NumberReader(length=9).read(picture)

    @pytest.mark.parametrize(
        "constraint", [{"length": "x"}, {"pattern": "["}, {"choices": "missing.txt"}]
    )
    def test_a_constraint_that_is_none_is_a_usage_error(self, constraint: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            NumberReader(**constraint)

    def test_a_picture_without_digits_is_the_error_of_predict(self, tmp_path: Path) -> None:
        Image.new("L", (90, 90), 255).save(tmp_path / "blank.png")
        with pytest.raises(NoDigitError, match=r"blank\.png: no digit found; nothing stands out"):
            NumberReader().read(tmp_path / "blank.png")
        with pytest.raises(ImageReadError):
            NumberReader().read(tmp_path / "missing.png")

    def test_a_stream_goes_on_after_an_error(self, picture: Path) -> None:
        sources: list[ImageSource] = [picture, "missing.png", np.zeros((50, 50), np.uint8), picture]
        readings = [*NumberReader().stream(sources)]
        assert [reading.text is None for reading in readings] == [False, True, True, False]
        for reading in readings:
            assert (reading.error is None) == (reading.text is not None)


def strokes(*lines: list[tuple[float, float]]) -> Image.Image:
    """Plain strokes of a pen on white, as a program to draw with makes them."""
    image = Image.new("L", (440, 220), 255)
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line(line, fill=0, width=13, joint="curve")
        for x, y in (line[0], line[-1]):
            pen.circle((x, y), 6.5, fill=0)
    return image


def test_plain_strokes_that_look_like_marks_are_read() -> None:
    """The finder's network finds no line here; the front end sees a row of ink."""
    one = [(140.0, 44.0), (138.0, 110.0)]
    seven = [(171.0, 49.0), (220.0, 48.0), (198.0, 93.0), (190.0, 115.0)]
    reader = NumberReader()
    assert reader.read(strokes(one, seven)).text == "17"
    for mark in ([one], [[(100.0, 60.0), (300.0, 62.0)]], [one, [(40.0, 200.0), (400.0, 205.0)]]):
        try:
            text = reader.read(strokes(*mark)).text or ""
        except NoDigitError:
            continue
        assert len(text) == 1  # a bar may be a 1, and nothing makes a number of one stroke
