"""The installed program, as a person or a script meets it: exact exit codes, one clear line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge import __version__
from tests.conftest import ROOT, SAMPLES, Cli

COMMANDS = ("predict", "bench", "info", "train", "evaluate", "export")


def one_line_error(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The only line of stderr; there must be no traceback, and no other exit code."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("mnist-edge: ")
    return lines[0]


def on_a_terminal(*arguments: str) -> str:
    """Everything that the program shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mnist_edge", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
    ):
        os.close(theirs)
        shown = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 65_536):
                shown += chunk
    os.close(ours)
    return shown.decode()


def test_the_script_is_installed() -> None:
    script = shutil.which("mnist-edge", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mnist-edge {__version__}\n"


def test_help_lists_every_command_and_each_shows_examples(cli: Cli) -> None:
    overview = cli("--help")
    assert overview.returncode == 0
    for command in COMMANDS:
        assert command in overview.stdout
        text = cli(command, "--help").stdout
        assert "Examples" in text
        assert f"mnist-edge {command}" in text


def test_a_misspelt_option_is_answered_with_the_right_one(cli: Cli) -> None:
    done = cli("predict", "--modle", "x", "samples/7-pen.png")
    assert done.returncode == 2
    assert "--model" in done.stderr


class TestPredict:
    def test_table(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-mnist.png")
        assert done.returncode == 0
        assert done.stderr == ""
        header, row = done.stdout.splitlines()
        assert header.split() == ["digit", "confidence", "image"]
        assert row.split()[0] == "7"
        assert row.endswith("samples/7-mnist.png")
        assert "\x1b" not in done.stdout

    @pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
    def test_the_machine_formats_agree(self, cli: Cli, kind: str) -> None:
        done = cli("predict", "samples", "--format", kind)
        assert done.returncode == 0
        if kind == "csv":
            records = list(csv.DictReader(io.StringIO(done.stdout)))
        elif kind == "json":
            records = json.loads(done.stdout)
        else:
            records = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(records) == 30
        for record in records:
            assert int(record["digit"]) == int(Path(record["path"]).name[0])
            assert not record["error"]

    def test_one_bad_file_costs_one_row(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        (tmp_path / "b.png").write_text("this is text\n")
        (tmp_path / "c.png").write_bytes((SAMPLES / "3-pen.png").read_bytes()[:700])
        (tmp_path / "d.png").touch()
        Image.new("RGB", (90, 90), "white").save(tmp_path / "e.png")
        shutil.copy(SAMPLES / "4-card.jpg", tmp_path / "f.jpg")
        done = cli("predict", tmp_path, tmp_path / "missing.png", "--format", "jsonl")
        assert done.returncode == 1
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert [record["digit"] for record in records] == [3, None, None, None, None, 4, None]
        complaints = done.stderr.splitlines()
        failed = [record for record in records if record["digit"] is None]
        assert len(complaints) == len(failed) == 5
        for complaint, record in zip(complaints, failed, strict=True):
            assert record["path"] in complaint
            assert complaint == f"mnist-edge: {record['error']}"

    def test_stdin(self, cli: Cli) -> None:
        content = (SAMPLES / "5-chalk.jpg").read_bytes()
        for arguments in (("predict", "-", "--format", "jsonl"), ("predict", "--format", "jsonl")):
            done = cli(*arguments, stdin=content)
            assert done.returncode == 0, done.stderr
            record = json.loads(done.stdout)
            assert (record["path"], record["digit"]) == ("-", 5)

    def test_output_file(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "answers.csv"
        done = cli("predict", "samples/1-pen.png", "--format", "csv", "--output", target)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(target.read_text().splitlines()) == 2

    def test_min_confidence_withholds(self, cli: Cli) -> None:
        done = cli("predict", "samples", "--min-confidence", "1", "--format", "jsonl")
        records = [json.loads(line) for line in done.stdout.splitlines()]
        withheld = [record for record in records if record["confidence"] < 1]
        assert withheld
        assert done.returncode == 1
        assert all(record["digit"] is None and record["probabilities"] for record in withheld)

    def test_top_k(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "--top-k", "3", "--format", "jsonl")
        top = json.loads(done.stdout)["top"]
        assert len(top) == 3
        assert top[0]["digit"] == 7

    def test_another_model(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "--model", "mnist-edge-fp32")
        assert done.stdout.splitlines()[1].split()[0] == "7"

    def test_file_names_that_are_no_text(self, cli: Cli, tmp_path: Path) -> None:
        odd = os.fsencode(tmp_path) + b"/\xff\xfe.png"
        shutil.copy(SAMPLES / "6-pen.png", odd)
        done = cli("predict", tmp_path, "--format", "jsonl")
        assert done.returncode == 0
        assert os.fsencode(json.loads(done.stdout)["path"]) == odd

    @pytest.mark.parametrize(
        ("command", "begins"),
        [
            (f"predict {' '.join(['samples'] * 40)}", "digit"),
            ("evaluate mnist-edge-int8", "mnist-edge-int8"),
            ("info", "model"),
        ],
    )
    def test_a_reader_that_leaves_early_is_no_error(self, command: str, begins: str) -> None:
        done = subprocess.run(
            [
                "bash",
                "-c",
                f"set -o pipefail; {sys.executable} -m mnist_edge {command} | head -1",
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(begins)

    def test_ctrl_c_leaves_a_valid_document(self, tmp_path: Path) -> None:
        fifo = tmp_path / "slow.png"
        os.mkfifo(fifo)
        # The second picture never comes: the program waits in the middle of its work.
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mnist_edge",
                "predict",
                *["samples"] * 2,
                fifo,
                "--format",
                "json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            bufsize=0,
        ) as process:
            assert process.stdout is not None
            written = b""
            while b"}" not in written:  # the first answer is out
                written += process.stdout.read(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"Traceback" not in err
        assert 1 <= len(json.loads(written + out)) <= 32

    def test_an_output_that_is_no_file_stays_what_it_is(self, cli: Cli, tmp_path: Path) -> None:
        fifo, real, link = tmp_path / "fifo", tmp_path / "real.csv", tmp_path / "link.csv"
        os.mkfifo(fifo)
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE, text=True) as reader:
            assert cli("predict", "samples/1-pen.png", "--output", fifo).returncode == 0
            assert "1-pen.png" in reader.communicate(timeout=60)[0]
        assert fifo.is_fifo()
        link.symlink_to(real)
        assert cli("predict", "samples/1-pen.png", "--output", link).returncode == 0
        assert link.is_symlink()
        assert "1-pen.png" in real.read_text()

    def test_names_outside_the_locale_and_control_characters(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
    ) -> None:
        monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
        shutil.copy(SAMPLES / "7-pen.png", tmp_path / "七.png")
        (tmp_path / "new\nline.png").touch()
        done = cli("predict", tmp_path)
        assert done.returncode == 1
        assert "七.png" in done.stdout
        assert len(done.stdout.splitlines()) == 3
        assert len(done.stderr.splitlines()) == 1


class TestPreviews:
    def test_the_answers_stay_byte_for_byte(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "bad.png").touch()
        for kind in ("table", "json", "csv"):
            command = ("predict", "samples/7-pen.png", tmp_path / "bad.png", "--format", kind)
            plain, shown = cli(*command), cli(*command, "--show")
            assert shown.stdout == plain.stdout
            assert shown.returncode == plain.returncode == 1
            assert shown.stderr.endswith(plain.stderr)
            assert len(shown.stderr.splitlines()) == 1 + 14 + 1

    def test_no_escapes_without_a_terminal(self, cli: Cli) -> None:
        done = cli("predict", "samples/2-card.jpg", "samples/7-pen.png", "--show")
        assert done.returncode == 0
        assert done.stderr.isascii()
        assert "\x1b" not in done.stderr
        assert len(done.stderr.splitlines()) == 2 * (1 + 14)

    @pytest.mark.parametrize("no_color", ["", "1"])
    def test_a_terminal_gets_colours_unless_it_wants_none(
        self, monkeypatch: pytest.MonkeyPatch, no_color: str
    ) -> None:
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", no_color)
        screen = on_a_terminal("predict", "samples/2-card.jpg", "samples/7-pen.png", "--show")
        assert ("\x1b[38;2;" in screen) == (no_color == "")
        assert ("\x1b" in screen) == (no_color == "")
        # Each drawing has 14 lines, its caption above and its answer below.
        said = [
            (number, line.split()[0], line.split()[-1])
            for number, line in enumerate(screen.splitlines())
            if "samples/" in line
        ]
        card, pen = ("2", "samples/2-card.jpg"), ("7", "samples/7-pen.png")
        assert said == [(1, *card), (16, *card), (17, *pen), (32, *pen)]

    def test_saved_files_are_answered_alike(self, cli: Cli, tmp_path: Path) -> None:
        pictures = [f"samples/{name}" for name in ("4-card.jpg", "4-pen.png", "5-chalk.jpg")]
        seen = tmp_path / "seen"
        first = cli("predict", *pictures, "--format", "jsonl", "--save-preprocessed", seen)
        assert (first.returncode, first.stderr) == (0, "")
        names = [Path(picture).stem for picture in pictures]
        assert sorted(path.name for path in seen.iterdir()) == sorted(
            [f"{name}.png" for name in names] + [f"{name}-preview.png" for name in names]
        )
        saved = [seen / f"{name}.png" for name in names]
        second = cli("predict", *saved, "--format", "jsonl")
        answers = [
            [json.loads(line)["probabilities"] for line in done.stdout.splitlines()]
            for done in (first, second)
        ]
        assert answers[0] == answers[1]

    def test_two_pictures_of_one_name(self, cli: Cli, tmp_path: Path) -> None:
        for folder, sample in (("a", "1-pen.png"), ("b", "2-pen.png")):
            (tmp_path / folder).mkdir()
            shutil.copy(SAMPLES / sample, tmp_path / folder / "x.png")
        seen = tmp_path / "seen"
        done = cli("predict", tmp_path / "a", tmp_path / "b", "--save-preprocessed", seen)
        assert done.returncode == 0
        assert len(list(seen.iterdir())) == 4
        again = cli("predict", seen / "x.png", seen / "x-2.png", "--format", "jsonl")
        assert [json.loads(line)["digit"] for line in again.stdout.splitlines()] == [1, 2]

    def test_stdin_is_drawn_and_saved(self, cli: Cli, tmp_path: Path) -> None:
        content = (SAMPLES / "5-chalk.jpg").read_bytes()
        done = cli("predict", "--show", "--save-preprocessed", tmp_path, stdin=content)
        assert done.returncode == 0
        from_file = cli("predict", "samples/5-chalk.jpg", "--show")
        assert done.stderr.splitlines()[1:] == from_file.stderr.splitlines()[1:]
        assert {path.name for path in tmp_path.iterdir()} == {"stdin.png", "stdin-preview.png"}

    def test_a_pipe_is_read_once(self) -> None:
        line = f"{sys.executable} -m mnist_edge predict <(cat samples/7-pen.png) --show"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
        )
        assert done.returncode == 0
        assert done.stdout.splitlines()[1].split()[0] == "7"

    def test_a_closed_stderr_draws_nothing(self) -> None:
        line = f"{sys.executable} -m mnist_edge predict samples/7-pen.png --show 2>&-"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 2

    def test_a_folder_that_cannot_be_made(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            done = cli("predict", "samples/7-pen.png", "--save-preprocessed", folder)
            assert str(folder) in one_line_error(done, 1)
            assert done.stdout == ""

    def test_a_file_that_cannot_be_written(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "7-pen-preview.png"
        target.mkdir()
        done = cli("predict", "samples/7-pen.png", "--save-preprocessed", tmp_path)
        assert str(target) in one_line_error(done, 1)

    def test_pictures_are_not_overwritten(self, cli: Cli, tmp_path: Path) -> None:
        picture = tmp_path / "7-pen.png"
        shutil.copy(SAMPLES / "7-pen.png", picture)
        done = cli("predict", tmp_path, "--save-preprocessed", tmp_path)
        assert str(picture) in one_line_error(done, 2)
        assert picture.read_bytes() == (SAMPLES / "7-pen.png").read_bytes()
        assert list(tmp_path.iterdir()) == [picture]

    def test_drawing_is_loaded_only_when_it_is_asked_for(self) -> None:
        code = (
            "import os, sys; sys.argv = ['mnist-edge', 'predict', 'samples/7-pen.png', {}]\n"
            "from mnist_edge.cli.main import main\n"
            "class Ended(Exception): pass\n"
            "def end(code): raise Ended\n"
            "os._exit = end\n"
            "try: main()\nexcept Ended: pass\n"
            "print('mnist_edge.outputs.preview' in sys.modules, 'PIL.ImageDraw' in sys.modules)"
        )
        for option, loaded in (("", "False False"), ("'--show'", "True True")):
            done = subprocess.run(
                [sys.executable, "-c", code.format(option)],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=True,
            )
            assert done.stdout.splitlines()[-1] == loaded


class TestBadInput:
    def test_a_path_that_cannot_be_looked_at_costs_one_row(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "a" * 300 + ".png", "--format", "jsonl")
        assert done.returncode == 1
        assert [json.loads(line)["digit"] for line in done.stdout.splitlines()] == [7, None]
        assert "Traceback" not in done.stderr

    def test_an_image_is_not_overwritten_by_its_own_answer(self, cli: Cli, tmp_path: Path) -> None:
        picture = tmp_path / "7.png"
        shutil.copy(SAMPLES / "7-pen.png", picture)
        done = cli("predict", picture, "--output", picture)
        assert "is one of the images" in one_line_error(done, 2)
        assert picture.read_bytes() == (SAMPLES / "7-pen.png").read_bytes()

    @pytest.mark.parametrize("command", [("info",), ("--version",), ("predict", "--help")])
    def test_a_full_disk_wherever_it_hits(self, command: tuple[str, ...]) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "mnist_edge", *command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert "cannot be written" in one_line_error(done, 1)

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
    def test_closed_streams(self, closed: str) -> None:
        line = f"{sys.executable} -m mnist_edge predict - samples/7-pen.png {closed}"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr

    def test_nothing_to_do(self, cli: Cli, tmp_path: Path) -> None:
        assert str(tmp_path) in one_line_error(cli("predict", tmp_path), 2)

    def test_missing_path(self, cli: Cli) -> None:
        done = cli("predict", "nowhere.png", "--format", "json")
        assert one_line_error(done, 1) == "mnist-edge: nowhere.png: no such file"
        assert json.loads(done.stdout)[0]["error"] == "nowhere.png: no such file"

    def test_models_that_are_none(self, cli: Cli, tmp_path: Path) -> None:
        released = (ROOT / "models" / "mnist-edge-int8.onnx").read_bytes()
        for name, content in (("text", b"hello"), ("cut", released[:30_000]), ("empty", b"")):
            path = tmp_path / f"{name}.onnx"
            path.write_bytes(content)
            for command in (
                ("predict", "samples/7-pen.png", "--model"),
                ("info",),
                ("bench", "--model"),
            ):
                assert str(path) in one_line_error(cli(*command, path), 2)
        assert "no such model" in one_line_error(cli("info", "missing.onnx"), 2)

    def test_an_output_that_cannot_be_written(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "no" / "folder" / "out.csv"
        done = cli("predict", "samples/7-pen.png", "--output", target)
        assert str(target) in one_line_error(done, 1)

    def test_a_full_disk(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "mnist_edge", "predict", "samples"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                check=False,
            )
        assert "cannot be written" in one_line_error(done, 1)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("predict", "samples", "--format", "xml"), "table, json, jsonl, csv"),
            (("train", "--arch", "smal"), "did you mean 'small'"),
            (("train", "--epochs", "0"), "--epochs 0"),
            (("train", "--val-split", "60000"), "--val-split 60000"),
            (("train", "--device", "tpu"), "--device tpu"),
            (("evaluate", "--split", "all"), "--split all"),
            (("evaluate", "--robustness", "--rejection"), "choose one"),
            (("evaluate", "--pictures", "9"), "goes with --robustness"),
            (("evaluate", "--robustness", "--out", "x"), "draws no picture"),
            (("train", "--photos", "-1"), "--photos -1"),
        ],
    )
    def test_wrong_usage(self, cli: Cli, arguments: tuple[str, ...], says: str) -> None:
        assert says in one_line_error(cli(*arguments), 2)

    def test_no_run(self, cli: Cli, tmp_path: Path) -> None:
        for command in (("export",), ("evaluate",), ("train", "--resume")):
            done = cli(*command, "--data", ROOT / "samples", cwd=tmp_path)
            assert "mnist-edge train" in one_line_error(done, 2)
        for command in ("export", "evaluate"):
            assert "nowhere: no such run" in one_line_error(cli(command, "nowhere"), 2)

    def test_a_damaged_dataset(self, cli: Cli, tmp_path: Path) -> None:
        for file in (SAMPLES / "MNIST" / "raw").glob("*.gz"):
            shutil.copy(file, tmp_path)
        images = tmp_path / "train-images-idx3-ubyte.gz"
        images.write_bytes(images.read_bytes()[:1_000_000])
        done = cli("train", "--data", tmp_path, "--out", tmp_path / "run")
        message = one_line_error(done, 1)
        assert str(images) in message
        assert "delete it" in message

    def test_the_training_side_is_not_installed(self, tmp_path: Path) -> None:
        (tmp_path / "hide.py").write_text(
            "import importlib.util\n"
            "find = importlib.util.find_spec\n"
            "hidden = ('torch', 'onnx')\n"
            "importlib.util.find_spec = lambda name: None if name in hidden else find(name)\n"
            "from mnist_edge.cli.main import main\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, tmp_path / "hide.py", "train"],
            capture_output=True,
            text=True,
            check=False,
        )
        message = one_line_error(done, 2)
        assert "torch, onnx" in message
        assert "pip install 'mnist-edge[train]'" in message

    def test_a_training_package_that_fails_to_load_is_told_apart(self, tmp_path: Path) -> None:
        (tmp_path / "torch.py").write_text("raise ImportError('libsomething.so: not found')\n")
        done = subprocess.run(
            [sys.executable, "-m", "mnist_edge", "train"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
        )
        message = one_line_error(done, 2)
        assert "failed to load" in message
        assert "libsomething.so" in message


class TestInfo:
    def test_text(self, cli: Cli) -> None:
        done = cli("info")
        assert done.returncode == 0
        for expected in (
            "mnist-edge-int8",
            "sha256",
            "QLinearConv",
            "test_accuracy",
            "onnxruntime",
        ):
            assert expected in done.stdout

    def test_json_has_the_checksum_of_the_file(self, cli: Cli) -> None:
        facts = json.loads(cli("info", "--json").stdout)
        sums = (ROOT / "models" / "SHA256SUMS").read_text()
        assert f"{facts['file']['sha256']}  mnist-edge-int8.onnx" in sums


def test_bench(cli: Cli) -> None:
    short = ("bench", "--model", "mnist-edge-int8", "--batch-size", "8", "--sittings", "2")
    done = cli(*short, "--rounds", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["environment"]["onnxruntime"]
    (subject,) = report["subjects"]
    assert subject["accuracy"] > 0.99
    table = cli(*short, "--rounds", "2", "--scenario", "single-stream")
    assert "p50" in table.stdout
    assert "mnist-edge-int8" in table.stdout
