"""`predict --show` and `--save-preprocessed`: what the network sees, drawn and saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import (
    SAMPLES,
    Cli,
    modules_loaded_by,
    on_a_terminal,
    one_line_error,
    run_shell,
)
from tests.rows import rows

DRAWN_LINES = 14
"""Lines of a drawing; a caption stands above it."""


class TestShow:
    @pytest.mark.parametrize("kind", ["table", "json", "csv"])
    def test_rows_and_errors_stay_the_same(self, cli: Cli, tmp_path: Path, kind: str) -> None:
        (tmp_path / "bad.png").touch()
        command = ("predict", "samples/7-pen.png", tmp_path / "bad.png", "--format", kind)
        plain, shown = cli(*command), cli(*command, "--show")
        assert shown.stdout == plain.stdout
        assert shown.returncode == plain.returncode == 1
        assert shown.stderr.endswith(plain.stderr)
        assert len(shown.stderr.splitlines()) == 1 + DRAWN_LINES + 1

    def test_drawing_is_ascii_without_a_terminal(self, cli: Cli) -> None:
        done = cli("predict", "samples/2-card.jpg", "samples/7-pen.png", "--show")
        assert done.returncode == 0
        assert done.stderr.isascii()
        assert "\x1b" not in done.stderr
        assert len(done.stderr.splitlines()) == 2 * (1 + DRAWN_LINES)

    @pytest.mark.parametrize("no_color", ["", "1"])
    def test_terminal_gets_colours_unless_no_color_is_set(
        self, monkeypatch: pytest.MonkeyPatch, no_color: str
    ) -> None:
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", no_color)
        done = on_a_terminal("predict", "samples/2-card.jpg", "samples/7-pen.png", "--show")
        assert ("\x1b[38;2;" in done.stdout) == (no_color == "")
        assert ("\x1b" in done.stdout) == (no_color == "")
        # Each drawing has 14 lines, its caption above and its row below.
        named = [
            (number, line.split()[0], line.split()[-1])
            for number, line in enumerate(done.stdout.splitlines())
            if "samples/" in line
        ]
        card, pen = ("2", "samples/2-card.jpg"), ("7", "samples/7-pen.png")
        assert named == [(1, *card), (16, *card), (17, *pen), (32, *pen)]

    def test_image_from_a_pipe_is_read_once(self) -> None:
        done = run_shell("mnist-edge predict <(cat samples/7-pen.png) --show")
        assert done.returncode == 0
        assert done.stdout.splitlines()[1].split()[0] == "7"

    def test_closed_stderr_draws_nothing(self) -> None:
        done = run_shell("mnist-edge predict samples/7-pen.png --show 2>&-")
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 2

    @pytest.mark.parametrize("options", [(), ("--show",)])
    def test_drawing_code_is_loaded_only_with_the_option(self, options: tuple[str, ...]) -> None:
        loaded = modules_loaded_by("predict", "samples/7-pen.png", *options)
        drawing = {"mnist_edge.outputs.preview", "PIL.ImageDraw"}
        assert loaded & drawing == (drawing if options else set())


class TestSavePreprocessed:
    def test_saved_image_has_the_same_probabilities(self, cli: Cli, tmp_path: Path) -> None:
        names = ("4-card", "4-pen", "5-chalk")
        pictures = ("samples/4-card.jpg", "samples/4-pen.png", "samples/5-chalk.jpg")
        seen = tmp_path / "seen"
        first = cli("predict", *pictures, "--format", "jsonl", "--save-preprocessed", seen)
        assert (first.returncode, first.stderr) == (0, "")
        assert {path.name for path in seen.iterdir()} == {
            f"{name}{suffix}" for name in names for suffix in (".png", "-preview.png")
        }
        second = cli("predict", *[seen / f"{name}.png" for name in names], "--format", "jsonl")
        probabilities = [
            [row["probabilities"] for row in rows(done.stdout)] for done in (first, second)
        ]
        assert probabilities[0] == probabilities[1]

    def test_images_of_one_name_are_saved_under_two(self, cli: Cli, tmp_path: Path) -> None:
        for folder, sample in (("a", "1-pen.png"), ("b", "2-pen.png")):
            (tmp_path / folder).mkdir()
            shutil.copy(SAMPLES / sample, tmp_path / folder / "x.png")
        seen = tmp_path / "seen"
        done = cli("predict", tmp_path / "a", tmp_path / "b", "--save-preprocessed", seen)
        assert done.returncode == 0
        assert len(list(seen.iterdir())) == 4
        again = cli("predict", seen / "x.png", seen / "x-2.png", "--format", "jsonl")
        assert [row["digit"] for row in rows(again.stdout)] == [1, 2]

    def test_stdin_is_drawn_and_saved(self, cli: Cli, tmp_path: Path) -> None:
        content = (SAMPLES / "5-chalk.jpg").read_bytes()
        done = cli("predict", "--show", "--save-preprocessed", tmp_path, stdin=content)
        assert done.returncode == 0
        from_file = cli("predict", "samples/5-chalk.jpg", "--show")
        assert done.stderr.splitlines()[1:] == from_file.stderr.splitlines()[1:]
        assert {path.name for path in tmp_path.iterdir()} == {"stdin.png", "stdin-preview.png"}

    @pytest.mark.parametrize("name", ["file", "file/below"])
    def test_folder_that_cannot_be_made_is_one_line(
        self, cli: Cli, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "file").touch()
        done = cli("predict", "samples/7-pen.png", "--save-preprocessed", tmp_path / name)
        assert str(tmp_path / name) in one_line_error(done, 1)
        assert done.stdout == ""

    def test_file_that_cannot_be_written_is_one_line(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "7-pen-preview.png"
        target.mkdir()
        done = cli("predict", "samples/7-pen.png", "--save-preprocessed", tmp_path)
        assert str(target) in one_line_error(done, 1)

    def test_input_image_is_not_overwritten(self, cli: Cli, tmp_path: Path) -> None:
        picture = tmp_path / "7-pen.png"
        shutil.copy(SAMPLES / "7-pen.png", picture)
        done = cli("predict", tmp_path, "--save-preprocessed", tmp_path)
        assert str(picture) in one_line_error(done, 2)
        assert picture.read_bytes() == (SAMPLES / "7-pen.png").read_bytes()
        assert list(tmp_path.iterdir()) == [picture]
