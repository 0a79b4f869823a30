"""Interrupted, killed, resumed: the output is complete in the end, and no process is left."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROGRAM, ROOT, Cli, on_a_small_disk
from tests.rows import rows


@pytest.mark.parametrize("kind", ["jsonl", pytest.param("csv", marks=pytest.mark.slow)])
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
