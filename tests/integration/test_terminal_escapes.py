"""What steers a terminal never reaches it raw: from file names, labels, metadata, reports."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import onnx
import pytest

from mnist_edge.bench.report import Report
from mnist_edge.bench.tables import facts, markdown
from mnist_edge.outputs.terminal_table import print_table
from tests.conftest import PROGRAM, ROOT, SAMPLES, Cli, on_a_terminal
from tests.rows import rows

STEERING = [
    *("\x1b[31m", "\x1b]0;title\x07", "\r", "\b", "\x7f", "\x9b31m", "\x85", "\u202e", "\u2066"),
    *("\u200f", "\u061c", "\u2028", "\u2029", "\udcff", "\udc9b"),
]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures and damaged ones, with names that steer a terminal."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, mark in enumerate(STEERING):
        shutil.copy(SAMPLES / "7-mnist.png", folder / f"a{number}{mark}[red].png")
        (folder / f"b{number}{mark}.png").touch()
    return folder


def is_printable(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_rows_and_errors_on_a_terminal_are_printable(pictures: Path, kind: str) -> None:
    done = on_a_terminal("predict", pictures, "--format", kind, streams=("stdout", "stderr"))
    shown = done.stdout.replace("\r\n", "\n")
    assert is_printable(shown)
    assert shown.count("[red]") == len(STEERING)


def test_csv_that_is_written_to_a_terminal_by_name_is_printable(pictures: Path) -> None:
    options = ("--format", "csv", "--output", "/dev/stdout")
    done = on_a_terminal("predict", pictures, *options, streams=["stdout"])
    assert is_printable(done.stdout.replace("\r\n", "\n"))


@pytest.mark.parametrize("option", ["--show", "--summary"])
def test_captions_and_summary_are_printable(
    pictures: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    done = on_a_terminal("predict", pictures, option, streams=("stdout", "stderr"))
    assert is_printable(done.stdout.replace("\r\n", "\n"))


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_stderr_is_printable_and_machines_get_the_exact_names(pictures: Path, kind: str) -> None:
    command = [*PROGRAM, "predict", str(pictures), "--format", kind]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    errors, text = done.stderr.decode(), done.stdout.decode("utf-8", "surrogateescape")
    assert is_printable(errors)
    assert len(errors.splitlines()) == len(STEERING)
    names = sorted(map(str, pictures.iterdir()), key=os.fsencode)
    if kind == "table":
        assert is_printable(text)
        return
    if kind == "csv":
        found = [row["path"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        found = [row["path"] for row in (json.loads(text) if kind == "json" else rows(text))]
    assert sorted(found, key=os.fsencode) == names


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_metadata_of_a_model_is_printable(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    model = onnx.load(ROOT / "models" / "mnist-edge-int8.onnx")
    for number, mark in enumerate(STEERING[:-2]):
        entry = model.metadata_props.add()
        entry.key, entry.value = f"key {number} {mark}", f"value {mark}\nmore"
    path = tmp_path / "m\x1b[31m\u202e.onnx"
    onnx.save(model, path)
    for command in (("info", path, *arguments), ("bench", "--profile", "--model", path)):
        done = cli(*command)
        assert done.returncode == 0
        assert is_printable(done.stdout + done.stderr)
        assert "\\" in done.stdout


def test_errors_of_wrong_usage_are_printable(cli_in_process: Cli) -> None:
    for mark in STEERING[:-2]:
        for command in (
            ("predict", f"--no{mark}"),
            ("predict", "x", "--format", f"x{mark}"),
            ("predict", "x", "--model", f"x{mark}"),
            (f"no{mark}",),
            ("info", "a", f"b{mark}"),
            ("info", f"b{mark}"),
        ):
            done = cli_in_process(*command)
            assert done.returncode == 2
            assert is_printable(done.stderr)


def test_table_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["[b]name", "n\x1b[1m"], [["[red]a[/red]", ":x:"], ["\u202ea", "1\n2"]])
    shown = capsys.readouterr().out
    assert is_printable(shown)
    for text in ("[b]name", "n\\x1b[1m", "[red]a[/red]", ":x:", "\\u202ea", "1\\x0a2"):
        assert text in shown


def test_report_of_a_benchmark_is_printable() -> None:
    """A baseline is a file, and may come from anywhere."""
    path = ROOT / "tests" / "unit" / "infer" / "bench" / "report-0.7.0.json"
    content = json.loads(path.read_text())
    for target in content["subjects"]:
        target["name"] = f"m\x1b[2J\u202e{target['name']}"
    content["environment"]["cpu"] = "a\x9bb\r\n"
    content["warnings"], content["notes"] = ["w\x1b[2J"], ["n\u2028"]
    report = Report.from_dict(content)
    assert is_printable("\n".join(facts(report)))
    assert is_printable(markdown(report, None))
