"""Interrupted, killed, resumed: the output is complete in the end, and no process is left."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROGRAM, ROOT, Cli, on_a_small_disk, one_line_error, run_shell
from tests.rows import rows


@pytest.mark.parametrize("kind", ["jsonl", "parquet", pytest.param("csv", marks=pytest.mark.slow)])
def test_output_is_the_same_after_kills_at_any_moment(
    cli: Cli, many: Path, tmp_path: Path, kind: str
) -> None:
    """Where a kill lands is chance; what comes out must not be."""
    whole = cli("predict", many, "--format", kind, "--output", tmp_path / "whole")
    output = tmp_path / "rows"
    partial = tmp_path / "rows.partial"
    arguments = ("predict", str(many), "--format", kind, "--output", str(output), "--resume")
    chance = random.Random(0)
    kills = 0
    for _ in range(6):
        with subprocess.Popen(
            [*PROGRAM, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL
        ) as process:
            limit = file_size(partial) + chance.randrange(1, 150_000)
            while process.poll() is None and not output.exists():
                if file_size(partial) > limit:
                    process.kill()
                    break
        kills += process.returncode == -signal.SIGKILL
        assert not (output.exists() and partial.exists())
        if output.exists():
            break
    done = cli(*arguments)
    assert done.returncode in (0, 1)
    assert kills >= 1
    assert output.read_bytes() == (tmp_path / "whole").read_bytes()
    assert whole.returncode == 1


def test_workers_end_when_the_program_is_killed(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    options = ("--format", "jsonl", "--output", str(output), "--workers", "3")
    command = [*PROGRAM, "predict", *[str(many)] * 9, *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        children: list[str] = []
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(children) < 3:
            assert process.poll() is None
            children = path.read_text().split()
        process.kill()
    # If one stays, this does not end, and whoever runs the tests sees where.
    while any(is_running(child) for child in children):
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_keeps_its_rows_and_says_how_to_continue(
    cli: Cli, many: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    output = tmp_path / "rows.jsonl"
    partial = tmp_path / "rows.jsonl.partial"
    arguments = ("predict", *[str(many)] * 5, "--format", "jsonl", "--output", str(output))
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        while file_size(partial) < 50_000:
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("interrupted; continue with the same command and --resume")
    assert cli(*arguments, "--resume").returncode == 1
    assert len(rows(output.read_text())) == 5 * 3000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("kind", "workers"),
    [
        *(("json", "1"), ("json", "2")),
        *(
            pytest.param(kind, workers, marks=pytest.mark.slow)
            for kind in ("jsonl", "csv", "table")
            for workers in ("1", "2")
        ),
    ],
)
def test_interrupted_rows_on_a_pipe_are_whole(
    many: Path, kind: str, workers: str, number: signal.Signals
) -> None:
    """However slow the reader, the row is finished and the document closed."""
    chance = random.Random(0)
    command = [*PROGRAM, "predict", str(many), "--format", kind, "--workers", workers]
    for _ in range(3):
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            written = b""
            limit = chance.randrange(1, 120_000)
            while len(written) < limit:
                written += os.read(process.stdout.fileno(), 3000)
            # To the whole group, as a terminal and a supervisor do; twice, as an impatient hand.
            os.killpg(process.pid, number)
            os.killpg(process.pid, number)
            while piece := os.read(process.stdout.fileno(), 3000):
                written += piece
        assert process.returncode == 128 + number
        assert written.endswith(b"\n")
        if kind == "json":
            count = len(json.loads(written))
        elif kind == "jsonl":
            count = len(rows(written.decode()))
        elif kind == "csv":
            records = list(csv.DictReader(io.StringIO(written.decode())))
            assert all(record["error"] is not None for record in records)
            count = len(records)
        else:
            count = len(written.splitlines()) - 1
        assert 1 <= count < 3000


@pytest.mark.parametrize("stderr", ["2>&-", "2> >(head -1 >/dev/null)", "2>/dev/full"])
def test_every_row_comes_whatever_becomes_of_stderr(tmp_path: Path, stderr: str) -> None:
    names = tmp_path / "names"
    names.write_text("nowhere.png\n" * 5000 + "samples/7-mnist.png\n")
    command = f"mnist-edge predict --files-from {names} --format jsonl --summary"
    done = run_shell(f"{command} {stderr}")
    assert done.returncode == 1
    assert [row["digit"] for row in rows(done.stdout)] == [None] * 5000 + [7]


def test_resuming_goes_by_the_partial_file_whatever_lies_under_the_name(
    cli: Cli, many: Path, tmp_path: Path
) -> None:
    output, folder = tmp_path / "rows.jsonl", tmp_path / "some"
    folder.mkdir()
    pictures = sorted(many.iterdir())[:20]
    for picture in pictures[:10]:
        shutil.copy(picture, folder)
    command = ("predict", folder, "--format", "jsonl", "--output", output)
    cli(*command)
    earlier = output.read_bytes()
    for picture in pictures[10:]:
        shutil.copy(picture, folder)
    cli(*command)
    whole = output.read_bytes()
    assert len(whole) > len(earlier)
    output.write_bytes(earlier)
    (tmp_path / "rows.jsonl.partial").write_bytes(b"".join(whole.splitlines(True)[:13]))
    cli(*command, "--resume")
    assert output.read_bytes() == whole


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_nothing_to_resume_keeps_the_exit_code_of_the_rows(
    cli: Cli, tmp_path: Path, kind: str
) -> None:
    output = tmp_path / "rows"
    for pictures, code in ((["samples/7-pen.png"], 0), (["samples/7-pen.png", "nowhere"], 1)):
        command = ("predict", *pictures, "--format", kind, "--output", output)
        assert cli(*command).returncode == code
        before = output.read_bytes()
        again = cli(*command, "--resume")
        assert one_line_error(again, code).endswith("is complete; there is nothing to resume")
        assert output.read_bytes() == before
    with output.open("ab") as file:
        file.write(b"more")
    assert "not what this command writes" in one_line_error(cli(*command, "--resume"), 2)


@pytest.mark.parametrize(
    "changed",
    [
        ("--model", "mnist-edge-nano-int8"),
        ("--min-confidence", "0.2"),
        ("--top-k", "2"),
        ("--format", "csv"),
    ],
)
def test_resuming_with_other_options_is_refused(
    cli: Cli, many: Path, tmp_path: Path, changed: tuple[str, str]
) -> None:
    output, partial = tmp_path / "rows", tmp_path / "rows.partial"
    command = ("predict", many, "--output", output)
    with subprocess.Popen(
        [*PROGRAM, *map(str, command), "--format", "jsonl"], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        while file_size(partial) < 20_000:
            assert process.poll() is None
        process.kill()
    before = partial.read_bytes()
    options = dict([("--format", "jsonl"), changed])
    done = cli(*command, *itertools.chain(*options.items()), "--resume")
    assert f"was started with another {changed[0]}" in one_line_error(done, 2)
    assert partial.read_bytes() == before
    assert not output.exists()


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_two_programs_do_not_write_one_file(
    cli: Cli, many: Path, tmp_path: Path, kind: str
) -> None:
    output, fifo = tmp_path / "rows", tmp_path / "slow.png"
    os.mkfifo(fifo)
    command = ("predict", many, fifo, "--format", kind, "--output", output)
    with subprocess.Popen(
        [*PROGRAM, *map(str, command)], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        while not file_size(tmp_path / "rows.partial"):
            assert process.poll() is None
        done = cli("predict", "samples", "--format", kind, "--output", output)
        assert "is being written by another mnist-edge" in one_line_error(done, 1)
        fifo.write_bytes(b"no picture")
    assert process.returncode == 1
    assert str(fifo) in output.read_text()
    assert sorted(tmp_path.iterdir()) == [output, fifo]


def test_resuming_with_other_pictures_is_refused(cli: Cli, many: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    whole = cli("predict", many, "--format", "jsonl").stdout
    (tmp_path / "rows.jsonl.partial").write_text(whole[:5000])
    done = cli("predict", "samples", "--format", "jsonl", "--output", output, "--resume")
    assert done.returncode == 2
    assert "was started with other pictures" in done.stderr
    assert not output.exists()


def test_full_disk_names_the_output(many: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    output = disk / "rows.jsonl"
    done = on_a_small_disk(disk, "predict", many, "--format", "jsonl", "--output", output)
    assert done.returncode == 1
    assert "rows.jsonl: cannot be written (no space left on device)" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def file_size(path: Path) -> int:
    """Bytes of a file that another program may rename at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_running(process: str) -> bool:
    """Whether a process is there, and does not merely wait for its parent to look."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_unbuffered_stdout_is_buffered_again() -> None:
    # Without a buffer, Python drops what one call could not write, which a signal cuts short.
    code = (
        "import io, sys; from mnist_edge.cli.main import _prepare_stdout; _prepare_stdout(); "
        "assert isinstance(sys.stdout.buffer, io.BufferedWriter); print('whole')"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"whole\n", b"")
