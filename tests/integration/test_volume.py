"""`mnist-edge predict` as a part of other people's systems: many pictures, pipes, interruptions."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, SAMPLES, Cli, Digits, on_a_small_disk

SCHEMA = json.loads((ROOT / "infer/mnist_edge/prediction.schema.json").read_text())
PROGRAM = [sys.executable, "-m", "mnist_edge", "predict"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, train_digits: Digits) -> Path:
    """3,000 digits, every hundredth of them spoilt, with a few that need the whole front end."""
    folder = tmp_path_factory.mktemp("many")
    for number, image in enumerate(train_digits[0][:3000]):
        path = folder / f"{number:04}.png"
        picture = Image.fromarray(image)
        if number % 20 == 7:
            picture = picture.resize((90, 90))
        picture.save(path)
        if number % 100 == 50:
            path.write_bytes(path.read_bytes()[:60])
    return folder


def rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "table"])
def test_as_many_processes_as_there_are_answer_as_one_does(cli: Cli, many: Path, kind: str) -> None:
    options = ("--format", kind, "--min-confidence", "0")
    alone, together = (cli("predict", many, *options, "--workers", count) for count in (1, 3))
    assert alone.returncode == together.returncode == 1
    assert together.stdout == alone.stdout
    assert together.stderr == alone.stderr
    if kind != "json":
        return
    answers = json.loads(alone.stdout)
    assert [row["path"] for row in answers] == [str(path) for path in sorted(many.iterdir())]
    assert [number for number, row in enumerate(answers) if row["digit"] is None] == list(
        range(50, 3000, 100)
    )


def test_every_row_is_of_the_published_form(cli: Cli, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
    Image.new("L", (50, 50)).save(tmp_path / "blank.png")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    shutil.copy(SAMPLES / "6-pen.png", odd)
    arguments = ("predict", tmp_path, "nowhere.png", "--min-confidence", "0.999999")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for options in ((), ("--top-k", "3")):
        lines = cli(*arguments, *options, "--format", "jsonl")
        array = cli(*arguments, *options, "--format", "json")
        assert json.loads(array.stdout) == rows(lines.stdout)
        for row in rows(lines.stdout):
            validator.validate(row)
    spoilt = {**rows(lines.stdout)[0], "digit": 11}
    assert not validator.is_valid(spoilt)


class TestSources:
    def test_all_kinds_at_once(self, cli: Cli, tmp_path: Path, test_digits: Digits) -> None:
        images, labels = test_digits
        np.save(tmp_path / "some.npy", images[:3])
        with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
            archive.write(SAMPLES / "4-pen.png", "inside/4.png")
        (tmp_path / "list").write_text("samples/5-pen.png\0")
        done = cli(
            *("predict", tmp_path / "some.npy", tmp_path / "some.zip", "samples/7-*.jpg"),
            *("--files-from", tmp_path / "list", "-0", "--format", "jsonl"),
        )
        assert (done.returncode, done.stderr) == (0, "")
        answers = rows(done.stdout)
        assert [row["digit"] for row in answers] == [*labels[:3].tolist(), 4, 7, 5]
        assert answers[0]["path"] == f"{tmp_path}/some.npy[0]"
        assert answers[3]["path"] == f"{tmp_path}/some.zip/inside/4.png"

    def test_the_names_come_through_a_pipe(self, many: Path) -> None:
        line = (
            f"find {many} -name '00*.png' -print0 | sort -z"
            f" | {' '.join(PROGRAM)} --files-from - -0 --format csv"
        )
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 1
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 100
        assert len(done.stderr.splitlines()) == 1

    def test_an_answer_does_not_wait_for_the_next_name(self) -> None:
        command = [*PROGRAM, "--files-from", "-", "--format", "jsonl"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True, bufsize=1
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for digit in (3, 8):
                process.stdin.write(f"samples/{digit}-pen.png\n")
                assert json.loads(process.stdout.readline())["digit"] == digit
            process.stdin.close()
            assert process.wait(timeout=60) == 0

    def test_what_is_passed_over_is_counted(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        (tmp_path / "notes.txt").touch()
        (tmp_path / ".b.png").touch()
        done = cli("predict", tmp_path)
        assert done.returncode == 0
        assert done.stderr == (
            "mnist-edge: 2 files passed over: hidden, or no picture by their name\n"
        )


class TestSummaryAndSorting:
    def test_the_summary_adds_up(self, cli: Cli, many: Path) -> None:
        done = cli("predict", many, "--format", "csv", "--summary", "--min-confidence", "0")
        counts = [
            int(row["digit"]) for row in csv.DictReader(io.StringIO(done.stdout)) if row["digit"]
        ]
        summary = [line for line in done.stderr.splitlines() if "mnist-edge:" not in line]
        assert summary[0].startswith("3,000 pictures, 30 without an answer")
        told = {
            parts[0]: int(parts[1].replace(",", ""))
            for line in summary
            if (parts := line.split()) and parts[0] in "0123456789"
        }
        assert told == {str(digit): counts.count(digit) for digit in range(10)}

    @pytest.mark.parametrize("link", [False, True])
    def test_each_image_into_the_folder_of_its_digit(
        self, cli: Cli, tmp_path: Path, link: bool
    ) -> None:
        pictures = tmp_path / "pictures"
        for folder, sample in (("a", "1-pen.png"), ("b", "1-chalk.jpg"), ("c", "7-pen.png")):
            (pictures / folder).mkdir(parents=True)
            shutil.copy(SAMPLES / sample, pictures / folder / f"x{Path(sample).suffix}")
        shutil.copy(SAMPLES / "1-mnist.png", pictures / "x.png")
        Image.new("L", (50, 50)).save(pictures / "blank.png")
        (pictures / "broken.png").write_text("no picture")
        target = tmp_path / "sorted"
        command = ("predict", pictures, "--recursive", "--sort-into", target)
        for _ in range(2):  # the second time, all is there already
            done = cli(*command, *(["--link"] if link else []))
            assert done.returncode == 1
            found = {str(path.relative_to(target)) for path in target.rglob("*.*g")}
            assert found == {
                *("1/x.png", "1/x.jpg", "1/x-2.png", "7/x.png"),
                *("unsure/blank.png", "unsure/broken.png"),
            }
        assert (target / "7" / "x.png").is_symlink() == link
        assert (target / "7" / "x.png").read_bytes() == (SAMPLES / "7-pen.png").read_bytes()

    def test_pictures_of_arrays_are_written(
        self, cli: Cli, tmp_path: Path, test_digits: Digits
    ) -> None:
        np.save(tmp_path / "some.npy", test_digits[0][:2])
        assert (
            cli("predict", tmp_path / "some.npy", "--sort-into", tmp_path / "out").returncode == 0
        )
        with Image.open(tmp_path / "out" / "7" / "some.npy[0].png") as image:
            np.testing.assert_array_equal(np.asarray(image), test_digits[0][0])


class TestProgress:
    @pytest.mark.parametrize("no_color", [None, "1"])
    def test_a_bar_where_stderr_is_a_terminal(
        self, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_color: str | None
    ) -> None:
        monkeypatch.setenv("TERM", "xterm-256color")
        if no_color is not None:
            monkeypatch.setenv("NO_COLOR", no_color)
        screen, stderr = pty.openpty()
        with subprocess.Popen(
            [*PROGRAM, *[str(many)] * 5, "--format", "csv", "--output", str(tmp_path / "x.csv")],
            cwd=ROOT,
            stderr=stderr,
        ) as process:
            os.close(stderr)
            shown = b""
            # Linux reports the end of a terminal as an error.
            with contextlib.suppress(OSError):
                while block := os.read(screen, 65_536):
                    shown += block
        os.close(screen)
        assert process.returncode == 1
        text = shown.decode()
        assert "/15000" in text
        assert "a second" in text
        assert "without an answer" in text
        assert ("\x1b[31m" in text) == (no_color is None)


class TestInterruptions:
    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_killed_at_any_moment_and_resumed(
        self, cli: Cli, many: Path, tmp_path: Path, kind: str
    ) -> None:
        """Where the kill lands is chance; what comes out must not be."""
        whole = cli("predict", many, "--format", kind, "--output", tmp_path / "whole")
        output = tmp_path / "answers"
        command = [*PROGRAM, str(many), "--format", kind, "--output", str(output)]
        chance = random.Random(0)
        kills = 0
        for _ in range(6):
            with subprocess.Popen(
                [*command, "--resume"], cwd=ROOT, stderr=subprocess.DEVNULL
            ) as process:
                partial = tmp_path / "answers.partial"
                wanted = chance.randrange(1, 150_000)
                began = size(partial)
                while process.poll() is None and not output.exists():
                    if size(partial) - began > wanted:
                        process.kill()
                        break
            kills += process.returncode == -signal.SIGKILL
            assert not (output.exists() and partial.exists())
            if output.exists():
                break
        done = cli(*command[3:], "--resume")
        assert done.returncode in (0, 1)
        assert kills >= 1
        assert output.read_bytes() == (tmp_path / "whole").read_bytes()
        assert whole.returncode == 1

    def test_no_process_outlives_a_killed_program(self, many: Path, tmp_path: Path) -> None:
        output = tmp_path / "answers.jsonl"
        with subprocess.Popen(
            [
                *(*PROGRAM, *[str(many)] * 9, "--format", "jsonl", "--output", str(output)),
                *("--workers", "3"),
            ],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        ) as process:
            children: list[str] = []
            path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            while len(children) < 3:
                assert process.poll() is None
                children = path.read_text().split()
            process.kill()
        # Else this goes on for ever, and whoever runs the tests sees where.
        while any(is_running(child) for child in children):
            pass

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_what_was_written_stays_and_the_way_on_is_named(
        self, cli: Cli, many: Path, tmp_path: Path, number: signal.Signals, code: int
    ) -> None:
        output = tmp_path / "answers.jsonl"
        command = [*PROGRAM, *[str(many)] * 5, "--format", "jsonl", "--output", str(output)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            partial = tmp_path / "answers.jsonl.partial"
            while size(partial) < 50_000:
                assert process.poll() is None
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert "Traceback" not in err
        assert err.splitlines()[-1].endswith(
            "interrupted; go on with the same command and --resume"
        )
        assert cli(*command[3:], "--resume").returncode == 1
        assert len(rows(output.read_text())) == 5 * 3000

    def test_resuming_with_other_pictures_is_refused(
        self, cli: Cli, many: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "answers.jsonl"
        whole = cli("predict", many, "--format", "jsonl").stdout
        (tmp_path / "answers.jsonl.partial").write_text(whole[:5000])
        done = cli("predict", "samples", "--format", "jsonl", "--output", output, "--resume")
        assert done.returncode == 2
        assert "was begun with other pictures" in done.stderr
        assert not output.exists()

    def test_a_full_disk(self, many: Path, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        output = disk / "answers.jsonl"
        done = on_a_small_disk(disk, "predict", many, "--format", "jsonl", "--output", output)
        assert done.returncode == 1
        assert "answers.jsonl: cannot be written (no space left on device)" in done.stderr.lower()
        assert "Traceback" not in done.stderr

    def test_a_folder_that_vanishes(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        done = cli("predict", tmp_path / "a.png", tmp_path / "gone", "--format", "jsonl")
        assert done.returncode == 1
        assert [row["digit"] for row in rows(done.stdout)] == [3, None]


def size(path: Path) -> int:
    """Of a file that another program may rename at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_running(process: str) -> bool:
    """Not gone, and not merely waiting for its parent to look."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--resume",), "--resume: goes with --output"),
            (("--resume", "--output", "x.json", "--format", "json"), "--resume: goes with"),
            (("--link",), "--link: goes with --sort-into"),
            (("-", "--files-from", "-"), "cannot be a list of names and a picture both"),
            (("--files-from", "nowhere"), "--files-from nowhere: cannot be read"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, cli: Cli, arguments: tuple[str, ...], says: str
    ) -> None:
        done = cli("predict", "samples/3-pen.png", *arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
