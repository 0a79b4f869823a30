"""Predicting for other people's systems: many pictures, pipes, several processes."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROGRAM, ROOT, SAMPLES, Cli, Digits, on_a_terminal, run_shell
from tests.rows import VALIDATOR, rows


@pytest.mark.parametrize(
    "kind",
    [
        "json",
        "csv",
        pytest.param("jsonl", marks=pytest.mark.slow),
        pytest.param("table", marks=pytest.mark.slow),
    ],
)
def test_several_processes_write_what_one_does(cli: Cli, many: Path, kind: str) -> None:
    options = ("--format", kind, "--min-confidence", "0")
    alone, together = (cli("predict", many, *options, "--workers", count) for count in ("1", "3"))
    assert alone.returncode == together.returncode == 1
    assert together.stdout == alone.stdout
    assert together.stderr == alone.stderr
    if kind == "json":
        records = json.loads(alone.stdout)
        assert [row["path"] for row in records] == [str(path) for path in sorted(many.iterdir())]
        failed = [number for number, row in enumerate(records) if row["digit"] is None]
        assert failed == list(range(50, 3000, 100))


@pytest.mark.parametrize("options", [(), ("--top-k", "3")])
def test_every_row_follows_the_published_schema(
    cli: Cli, tmp_path: Path, options: tuple[str, ...]
) -> None:
    content = (SAMPLES / "6-pen.png").read_bytes()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(content)
    shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
    Image.new("L", (50, 50)).save(tmp_path / "blank.png")
    command = ("predict", tmp_path, "nowhere.png", "--min-confidence", "0.999999", *options)
    records = rows(cli(*command, "--format", "jsonl").stdout)
    assert json.loads(cli(*command, "--format", "json").stdout) == records
    for row in records:
        VALIDATOR.validate(row)
    assert not VALIDATOR.is_valid({**records[0], "digit": 11})


class TestSources:
    def test_every_kind_of_source_in_one_command(
        self, cli: Cli, tmp_path: Path, test_digits: Digits
    ) -> None:
        images, labels = test_digits
        np.save(tmp_path / "some.npy", images[:3])
        with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
            archive.write(SAMPLES / "4-pen.png", "inside/4.png")
        (tmp_path / "list").write_text("samples/5-pen.png\0")
        sources = (tmp_path / "some.npy", tmp_path / "some.zip", "samples/7-*.jpg")
        options = ("--files-from", tmp_path / "list", "-0", "--format", "jsonl")
        done = cli("predict", *sources, *options)
        assert (done.returncode, done.stderr) == (0, "")
        records = rows(done.stdout)
        assert [row["digit"] for row in records] == [*labels[:3].tolist(), 4, 7, 5]
        assert records[0]["path"] == f"{tmp_path}/some.npy[0]"
        assert records[3]["path"] == f"{tmp_path}/some.zip/inside/4.png"

    def test_names_are_read_from_a_pipe(self, many: Path) -> None:
        done = run_shell(
            f"find {many} -name '00*.png' -print0 | sort -z"
            " | mnist-edge predict --files-from - -0 --format csv"
        )
        assert done.returncode == 1
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 100
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize("options", [(), ("--show",)])
    def test_row_is_written_before_the_next_name_is_read(self, options: tuple[str, ...]) -> None:
        """So no more than a few pictures are in memory, drawn or not."""
        command = [*PROGRAM, "predict", "--files-from", "-", "--format", "jsonl", *options]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            text=True,
            bufsize=1,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for digit in (3, 8):
                process.stdin.write(f"samples/{digit}-pen.png\n")
                assert json.loads(process.stdout.readline())["digit"] == digit
            process.stdin.close()
            assert process.wait(timeout=60) == 0

    def test_skipped_files_are_counted(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        (tmp_path / "notes.txt").touch()
        (tmp_path / ".b.png").touch()
        done = cli("predict", tmp_path)
        assert done.returncode == 0
        assert done.stderr == (
            "mnist-edge: 2 files skipped: hidden, or without the file extension of a picture\n"
        )

    def test_missing_folder_costs_one_row(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        done = cli("predict", tmp_path / "a.png", tmp_path / "gone", "--format", "jsonl")
        assert done.returncode == 1
        assert [row["digit"] for row in rows(done.stdout)] == [3, None]


class TestSummary:
    def test_summary_counts_what_the_rows_say(self, cli: Cli, many: Path) -> None:
        done = cli("predict", many, "--format", "csv", "--summary", "--min-confidence", "0")
        digits = [row["digit"] for row in csv.DictReader(io.StringIO(done.stdout))]
        summary = [line for line in done.stderr.splitlines() if "mnist-edge:" not in line]
        assert summary[0].startswith("3,000 pictures, 30 without a prediction")
        counts = {
            parts[0]: int(parts[1].replace(",", ""))
            for line in summary
            if (parts := line.split()) and parts[0] in "0123456789"
        }
        assert counts == {digit: digits.count(digit) for digit in "0123456789"}


class TestSortInto:
    @pytest.mark.parametrize("link", [False, True])
    def test_each_image_goes_to_the_folder_of_its_digit(
        self, cli: Cli, tmp_path: Path, link: bool
    ) -> None:
        pictures = tmp_path / "pictures"
        for folder, sample in (("a", "1-pen.png"), ("b", "1-chalk.jpg"), ("c", "7-pen.png")):
            (pictures / folder).mkdir(parents=True)
            shutil.copy(SAMPLES / sample, pictures / folder / f"x{Path(sample).suffix}")
        shutil.copy(SAMPLES / "1-mnist.png", pictures / "x.png")
        Image.new("L", (50, 50)).save(pictures / "blank.png")
        (pictures / "broken.png").write_text("not an image")
        target = tmp_path / "sorted"
        command = ("predict", pictures, "--recursive", "--sort-into", target)
        for _ in range(2):  # the second time, every copy exists already
            done = cli(*command, *(["--link"] if link else []))
            assert done.returncode == 1
            sorted_files = {str(path.relative_to(target)) for path in target.rglob("*.*g")}
            assert sorted_files == {
                "1/x.png",
                "1/x.jpg",
                "1/x-2.png",
                "7/x.png",
                "unsure/blank.png",
                "unsure/broken.png",
            }
        assert (target / "7" / "x.png").is_symlink() == link
        assert (target / "7" / "x.png").read_bytes() == (SAMPLES / "7-pen.png").read_bytes()

    def test_image_of_an_array_is_written_as_png(
        self, cli: Cli, tmp_path: Path, test_digits: Digits
    ) -> None:
        np.save(tmp_path / "some.npy", test_digits[0][:2])
        done = cli("predict", tmp_path / "some.npy", "--sort-into", tmp_path / "out")
        assert done.returncode == 0
        with Image.open(tmp_path / "out" / "7" / "some.npy[0].png") as image:
            np.testing.assert_array_equal(np.asarray(image), test_digits[0][0])


class TestProgress:
    @pytest.mark.parametrize("no_color", [None, "1"])
    def test_bar_is_drawn_where_stderr_is_a_terminal(
        self, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_color: str | None
    ) -> None:
        monkeypatch.setenv("TERM", "xterm-256color")
        if no_color is not None:
            monkeypatch.setenv("NO_COLOR", no_color)
        options = ("--format", "csv", "--output", tmp_path / "x.csv")
        done = on_a_terminal("predict", *[many] * 2, *options, streams=["stderr"])
        assert done.returncode == 1
        assert "/6000" in done.stdout
        assert "a second" in done.stdout
        assert "without a prediction" in done.stdout
        assert ("\x1b[31m" in done.stdout) == (no_color is None)


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("--resume", "--resume: needs --output"),
            ("--resume --output x.json --format json", "--resume: needs"),
            ("--link", "--link: needs --sort-into"),
            ("- --files-from -", "cannot be both a list of names and a picture"),
            ("--files-from nowhere", "--files-from nowhere: cannot be read"),
        ],
    )
    def test_options_that_contradict_one_another_are_one_line(
        self, cli_in_process: Cli, arguments: str, message: str
    ) -> None:
        done = cli_in_process("predict", "samples/3-pen.png", *arguments.split())
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
