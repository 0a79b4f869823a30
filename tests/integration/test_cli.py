"""The program as a person or a script meets it: commands, results, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge import __version__
from tests.conftest import PROGRAM, ROOT, SAMPLES, Cli, run_shell
from tests.rows import rows

COMMANDS = ("predict", "bench", "info", "train", "evaluate", "export")


def test_script_is_installed() -> None:
    script = shutil.which("mnist-edge", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mnist-edge {__version__}\n"


def test_help_lists_every_command(cli: Cli) -> None:
    done = cli("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_examples(cli_in_process: Cli, command: str) -> None:
    done = cli_in_process(command, "--help")
    assert done.returncode == 0
    assert "Examples" in done.stdout
    assert f"mnist-edge {command}" in done.stdout


def test_misspelt_option_names_the_right_one(cli: Cli) -> None:
    done = cli("predict", "--modle", "x", "samples/7-pen.png")
    assert done.returncode == 2
    assert "--model" in done.stderr


class TestPredict:
    def test_table_has_a_header_and_a_row_per_image(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-mnist.png")
        assert done.returncode == 0
        assert done.stderr == ""
        header, row = done.stdout.splitlines()
        assert header.split() == ["digit", "confidence", "image"]
        assert row.split()[0] == "7"
        assert row.endswith("samples/7-mnist.png")
        assert "\x1b" not in done.stdout

    @pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
    def test_every_sample_is_predicted_in_each_format(self, cli: Cli, kind: str) -> None:
        done = cli("predict", "samples", "--format", kind)
        assert done.returncode == 0
        if kind == "csv":
            records = list(csv.DictReader(io.StringIO(done.stdout)))
        else:
            records = json.loads(done.stdout) if kind == "json" else rows(done.stdout)
        assert len(records) == 30
        for record in records:
            assert int(record["digit"]) == int(Path(record["path"]).name[0])
            assert not record["error"]

    def test_unreadable_file_costs_one_row_and_one_line(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "3-pen.png", tmp_path / "a.png")
        (tmp_path / "b.png").write_text("this is text\n")
        (tmp_path / "c.png").write_bytes((SAMPLES / "3-pen.png").read_bytes()[:700])
        (tmp_path / "d.png").touch()
        Image.new("RGB", (90, 90), "white").save(tmp_path / "e.png")
        shutil.copy(SAMPLES / "4-card.jpg", tmp_path / "f.jpg")
        done = cli("predict", tmp_path, tmp_path / "missing.png", "--format", "jsonl")
        assert done.returncode == 1
        records = rows(done.stdout)
        assert [record["digit"] for record in records] == [3, None, None, None, None, 4, None]
        lines = done.stderr.splitlines()
        failed = [record for record in records if record["digit"] is None]
        assert len(lines) == len(failed) == 5
        for line, record in zip(lines, failed, strict=True):
            assert record["path"] in line
            assert line == f"mnist-edge: {record['error']}"

    @pytest.mark.parametrize("named", [True, False])
    def test_image_is_read_from_stdin(self, cli: Cli, named: bool) -> None:
        content = (SAMPLES / "5-chalk.jpg").read_bytes()
        paths = ["-"] if named else []
        done = cli("predict", *paths, "--format", "jsonl", stdin=content)
        assert done.returncode == 0, done.stderr
        (record,) = rows(done.stdout)
        assert (record["path"], record["digit"]) == ("-", 5)

    def test_output_option_writes_the_rows_to_a_file(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "predictions.csv"
        done = cli("predict", "samples/1-pen.png", "--format", "csv", "--output", target)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(target.read_text().splitlines()) == 2

    def test_min_confidence_rejects_and_keeps_the_probabilities(self, cli: Cli) -> None:
        done = cli("predict", "samples", "--min-confidence", "1", "--format", "jsonl")
        rejected = [record for record in rows(done.stdout) if record["confidence"] < 1]
        assert rejected
        assert done.returncode == 1
        assert all(record["digit"] is None and record["probabilities"] for record in rejected)

    def test_top_k_lists_the_most_probable_classes(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "--top-k", "3", "--format", "jsonl")
        top = json.loads(done.stdout)["top"]
        assert len(top) == 3
        assert top[0]["digit"] == 7

    def test_model_option_selects_a_bundled_model(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "--model", "mnist-edge-fp32")
        assert done.stdout.splitlines()[1].split()[0] == "7"

    def test_file_name_that_is_not_text_keeps_its_bytes(self, cli: Cli, tmp_path: Path) -> None:
        name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
        Path(os.fsdecode(name)).write_bytes((SAMPLES / "6-pen.png").read_bytes())
        done = cli("predict", tmp_path, "--format", "jsonl")
        assert done.returncode == 0
        assert os.fsencode(json.loads(done.stdout)["path"]) == name

    def test_name_outside_the_locale_and_control_characters_stay_on_one_line(
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


class TestStreams:
    @pytest.mark.parametrize(
        ("command", "begins"),
        [
            (f"predict {'samples ' * 40}", "digit"),
            ("info", "model"),
            # The same code again, after some seconds of work.
            pytest.param("evaluate mnist-edge-int8", "mnist-edge-int8", marks=pytest.mark.slow),
        ],
    )
    def test_reader_that_closes_the_pipe_early_is_no_error(self, command: str, begins: str) -> None:
        done = run_shell(f"set -o pipefail; mnist-edge {command} | head -1")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(begins)

    def test_ctrl_c_leaves_a_valid_document(self, tmp_path: Path) -> None:
        fifo = tmp_path / "slow.png"
        os.mkfifo(fifo)
        # The last picture never comes: the program waits in the middle of its work.
        command = [*PROGRAM, "predict", "samples", "samples", str(fifo), "--format", "json"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, bufsize=0
        ) as process:
            assert process.stdout is not None
            written = b""
            while b"}" not in written:  # the first row is out
                written += process.stdout.read(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"Traceback" not in err
        assert 1 <= len(json.loads(written + out)) <= 32

    def test_output_that_is_a_pipe_or_a_link_stays_one(self, cli: Cli, tmp_path: Path) -> None:
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

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
    def test_closed_stream_is_an_error_without_a_traceback(self, closed: str) -> None:
        done = run_shell(f"mnist-edge predict - samples/7-pen.png {closed}")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


class TestInfo:
    def test_text_names_the_model_its_operators_and_the_runtime(self, cli: Cli) -> None:
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

    def test_json_has_the_released_checksum(self, cli: Cli) -> None:
        facts = json.loads(cli("info", "--json").stdout)
        sums = (ROOT / "models" / "SHA256SUMS").read_text()
        assert f"{facts['file']['sha256']}  mnist-edge-int8.onnx" in sums


class TestBench:
    @pytest.mark.parametrize(
        "scenarios",
        [("--scenario", "single-stream"), pytest.param((), marks=pytest.mark.slow, id="all")],
    )
    def test_json_has_the_accuracy_and_the_environment(
        self, cli: Cli, scenarios: tuple[str, ...]
    ) -> None:
        options = ("--batch-size", "8", "--processes", "2", "--rounds", "2", "--json")
        done = cli("bench", "--model", "mnist-edge-int8", *options, *scenarios)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["environment"]["onnxruntime"]
        (target,) = report["subjects"]
        assert target["accuracy"] > 0.99

    def test_table_has_the_median_of_the_model(self, cli: Cli) -> None:
        options = ("--processes", "2", "--rounds", "2", "--scenario", "single-stream")
        done = cli("bench", "--model", "mnist-edge-int8", *options)
        assert "p50" in done.stdout
        assert "mnist-edge-int8" in done.stdout
