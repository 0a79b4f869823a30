"""Previews show the picture, upright, beside exactly what the network saw."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier, OutputError, Prediction, UsageError
from mnist_edge.inputs.decode import open_picture
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs.atomic import file_id
from mnist_edge.outputs.preview import (
    PreviewNames,
    Previews,
    side_by_side,
    terminal_lines,
    wants_colour,
)
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge.types import ImageSource

RED, BLUE = (255, 0, 0), (0, 0, 255)


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    return DigitClassifier()


@pytest.fixture(scope="module")
def chalk(samples: Path) -> Path:
    return samples / "7-chalk.jpg"


def left_panel(source: ImageSource) -> Image.Image:
    return side_by_side(open_picture(source), None, "").crop((10, 10, 290, 290))


def red_above_blue() -> Image.Image:
    picture = Image.new("RGB", (40, 40), RED)
    picture.paste(BLUE, (0, 20, 40, 40))
    return picture


def test_a_prediction_has_the_image_that_the_network_saw(
    classifier: DigitClassifier, chalk: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.png"
    careful = DigitClassifier(min_confidence=1)
    seen = [*classifier.stream([chalk, missing]), *careful.stream([chalk])]
    for prediction in (classifier.predict(chalk), seen[0], seen[2]):
        assert prediction.image is not None
        assert prediction.image.dtype == np.uint8
        np.testing.assert_array_equal(prediction.image, preprocess_one(chalk))
        assert "image" not in prediction.to_dict()
    assert seen[2].digit is None  # rejected, not unreadable
    assert seen[1].image is None


class TestSideBySide:
    def test_right_half_is_the_network_image_enlarged_ten_times(self, chalk: Path) -> None:
        image = preprocess_one(chalk)
        sheet = side_by_side(open_picture(chalk), image, "7")
        right = np.asarray(sheet.crop((300, 10, 580, 290)))
        expected = np.kron(image, np.ones((10, 10), dtype=np.uint8))
        np.testing.assert_array_equal(right, np.stack([expected] * 3, axis=2))

    def test_a_picture_of_28_pixels_is_shown_pixel_by_pixel(self, samples: Path) -> None:
        path = samples / "7-mnist.png"
        sheet = np.asarray(side_by_side(open_picture(path), preprocess_one(path), "7"))
        np.testing.assert_array_equal(sheet[10:290, 10:290], sheet[10:290, 300:580])

    def test_the_orientation_tag_is_followed(self) -> None:
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 3  # upside down
        red_above_blue().rotate(180).save(file, format="PNG", exif=exif)
        panel = left_panel(file.getvalue())
        assert (panel.getpixel((140, 50)), panel.getpixel((140, 230))) == (RED, BLUE)

    def test_every_kind_of_source_shows_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        red_above_blue().save(path)
        content = path.read_bytes()
        file = io.BytesIO(content)
        file.read()  # as the network left it
        expected = left_panel(path).tobytes()
        for source in (str(path), content, file, red_above_blue()):
            assert left_panel(source).tobytes() == expected

    def test_transparent_pixels_differ_from_black_and_white(self) -> None:
        picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        picture.paste((0, 0, 0, 255), (0, 0, 10, 40))
        picture.paste((255, 255, 255, 255), (10, 0, 20, 40))
        panel = left_panel(picture)
        assert [panel.getpixel((x, 140)) for x in (30, 110)] == [(0, 0, 0), (255, 255, 255)]
        assert panel.getpixel((220, 140)) == (128, 128, 128)

    def test_sixteen_bits_are_shown_over_their_range(self) -> None:
        values = np.full((40, 40), 60_000, dtype=np.uint16)
        values[10:30, 18:22] = 20_000
        panel = left_panel(Image.fromarray(values))
        assert (panel.getpixel((140, 140)), panel.getpixel((30, 30))) == ((0,) * 3, (255,) * 3)

    def test_a_tall_picture_is_shown_whole_in_the_middle(self) -> None:
        panel = np.asarray(left_panel(Image.new("RGB", (300, 600), RED)))
        red = (panel == RED).all(axis=2)
        assert red.any(axis=1).all()
        np.testing.assert_array_equal(np.flatnonzero(red.any(axis=0)), np.arange(70, 210))

    def test_a_picture_that_cannot_be_opened_leaves_its_panel_empty(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)  # opening it would wait for ever
        for source in (b"", b"text", tmp_path / "missing.png", tmp_path, fifo):
            assert len(left_panel(source).getcolors() or []) == 1

    def test_any_caption_can_be_drawn(self, chalk: Path) -> None:
        empty = side_by_side(open_picture(chalk), None, "").tobytes()
        for caption in ("7", "七.png", "\udcff.png", "x" * 1000):
            assert side_by_side(open_picture(chalk), None, caption).tobytes() != empty


class TestTerminal:
    def test_half_blocks_hold_every_pixel(self, chalk: Path) -> None:
        image = preprocess_one(chalk)
        lines = terminal_lines(open_picture(chalk), image, colour=True)
        assert len(lines) == 14
        for index, line in enumerate(lines):
            assert line.count("▀") == 2 * 28
            assert line.endswith("\x1b[0m")
            cells = line.split("  ")[1].removesuffix("\x1b[0m").split("▀")[:-1]
            above, below = image[2 * index], image[2 * index + 1]
            assert cells == [
                f"\x1b[38;2;{a};{a};{a};48;2;{b};{b};{b}m"
                for a, b in zip(above, below, strict=True)
            ]

    def test_plain_text_is_ascii_and_ink_is_dense(self) -> None:
        image = np.zeros((28, 28), dtype=np.uint8)
        image[4:24, 13:15] = 255
        lines = terminal_lines(Image.fromarray(255 - image), image, colour=False)
        stroke = " " * 13 + "@@" + " " * 13
        blank = " " * 28
        expected = [blank] * 2 + [stroke] * 10 + [blank] * 2
        assert lines == [f"{half} | {half}" for half in expected]

    def test_a_picture_without_a_digit_is_shown_alone(self) -> None:
        (line,) = set(terminal_lines(Image.new("L", (50, 50), 0), None, colour=False))
        assert line == "@" * 28 + " | " + " " * 28

    def test_nothing_to_show_draws_nothing(self) -> None:
        assert terminal_lines(open_picture(b"text"), None, colour=True) == []

    def test_colour_only_on_terminals_that_show_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        assert wants_colour(Terminal())
        assert not wants_colour(io.StringIO())
        assert not wants_colour(Terminal("latin-1"))
        monkeypatch.setenv("TERM", "dumb")
        assert not wants_colour(Terminal())
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", "1")
        assert not wants_colour(Terminal())


class TestNames:
    def test_names_are_unique_without_regard_to_case(self) -> None:
        pictures = ["a/1.png", "b/1.jpg", "1-2.png", "b/1.jpg", "-", "c/A.PNG", "c/a.png"]
        assert [*map(PreviewNames(), pictures)] == ["1", "1-2", "1-2-2", "1-3", "stdin", "A", "a-2"]

    @pytest.mark.parametrize("pictures", [["7.png", "7-preview.png"], ["7-preview.png", "7.png"]])
    def test_no_name_is_the_preview_of_another(self, pictures: list[str]) -> None:
        names = [*map(PreviewNames(), pictures)]
        files = [*names, *(f"{name}-preview" for name in names)]
        assert len(set(files)) == 4


def predicted(
    classifier: DigitClassifier, pictures: list[str], previews: Previews
) -> list[Prediction]:
    """Predictions of the pictures, each shown to `previews` as `predict` does."""
    predictions = list(classifier.stream(pictures))
    for picture, prediction in zip(pictures, predictions, strict=True):
        previews(Item(picture), prediction)
    return predictions


class TestPreviews:
    def test_saved_images_are_what_the_network_saw(
        self, classifier: DigitClassifier, samples: Path, tmp_path: Path
    ) -> None:
        pictures = [str(path) for path in sorted(samples.glob("*.*g"))]
        assert len(pictures) == 30
        folder = tmp_path / "new" / "folder"
        previews = Previews(terminal=None, folder=folder)
        predictions = predicted(classifier, pictures, previews)
        for picture, prediction in zip(pictures, predictions, strict=True):
            saved = folder / f"{Path(picture).stem}.png"
            with Image.open(saved) as image:
                assert image.mode == "L"
                np.testing.assert_array_equal(np.asarray(image), preprocess_one(picture))
            again = classifier.predict(saved)
            assert again.digit == prediction.digit
            np.testing.assert_array_equal(again.probabilities, prediction.probabilities)
            with Image.open(saved.with_stem(f"{saved.stem}-preview")) as preview:
                assert preview.size == (590, 324)

    def test_pictures_are_drawn_unless_they_cannot_be_opened(
        self, classifier: DigitClassifier, samples: Path, tmp_path: Path
    ) -> None:
        blank = tmp_path / "blank.png"
        Image.new("L", (50, 50), 255).save(blank)
        pictures = [str(samples / "4-pen.png"), "missing.png", str(blank)]
        terminal = Terminal()
        previews = Previews(terminal=terminal, folder=tmp_path / "out")
        predicted(classifier, pictures, previews)
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["4-pen-preview.png", "4-pen.png"]
        terminal.seek(0)
        drawn = terminal.read()
        assert pictures[0] in drawn
        assert pictures[1] not in drawn
        assert pictures[2] in drawn  # there is a picture to look at, if no digit

    @pytest.mark.parametrize("name", ["7-chalk.png", "7-chalk-preview.png"])
    def test_a_picture_is_not_overwritten_by_the_preview_of_another(
        self, classifier: DigitClassifier, chalk: Path, tmp_path: Path, name: str
    ) -> None:
        link, picture = tmp_path / "link", tmp_path / name
        link.symlink_to(tmp_path)
        picture.write_text("all there is")
        identity = file_id(picture)
        assert identity is not None
        previews = Previews(terminal=None, folder=link, inputs={identity})
        with pytest.raises(UsageError, match="would overwrite"):
            predicted(classifier, [str(chalk)], previews)
        assert picture.read_text() == "all there is"
        assert {path.name for path in tmp_path.iterdir()} == {"link", name}

    @pytest.mark.parametrize("name", ["a\0b.png", "x" * 400 + ".png", "字" * 90 + ".png"])
    def test_a_member_of_an_archive_whose_name_is_no_files_is_saved(
        self, classifier: DigitClassifier, chalk: Path, tmp_path: Path, name: str
    ) -> None:
        previews = Previews(terminal=None, folder=tmp_path)
        (prediction,) = classifier.stream([chalk])
        for _ in range(2):
            previews(Item(f"some.zip/{name}", chalk.read_bytes()), prediction)
        assert len(list(tmp_path.iterdir())) == 4

    def test_a_file_that_cannot_be_written_is_an_error(
        self, classifier: DigitClassifier, chalk: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "7-chalk.png").mkdir()
        previews = Previews(terminal=None, folder=tmp_path)
        with pytest.raises(OutputError, match=r"7-chalk\.png: cannot be written"):
            predicted(classifier, [str(chalk)], previews)
