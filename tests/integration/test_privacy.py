"""No network, and nothing written but where the user said: held by the system calls of a run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROGRAM, ROOT, SAMPLES

STRACE = shutil.which("strace")

CHANGING = [
    "creat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmodat",
    "unlink",
    "unlinkat",
    "rmdir",
]
"""System calls that create or change a file; some exist on some processors only."""

_SOCKET = re.compile(r"\d+ +socket\((?!AF_UNIX)")
_WRITING = re.compile(
    rf"\d+ +(?:open(?:at2?)?\(.*(?:O_WRONLY|O_RDWR|O_CREAT)|(?:{'|'.join(CHANGING)})\()"
)


def can_trace() -> bool:
    if STRACE is None:
        return False
    return subprocess.run([STRACE, "-o", os.devnull, "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_trace(), reason="no strace, or it may trace nothing here")


def traced(folder: Path, *command: str) -> tuple[str, str]:
    """Runs a program in a folder, which is also its home, its cache and its temporary folder.

    Returns:
        what it printed, and its system calls, a line each.
    """
    calls = folder.parent / "calls"
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"), str(folder))
    inherited = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    kinds = ",".join(f"?{name}" for name in ("open", "openat", "openat2", *CHANGING))
    trace = [str(STRACE), "-f", "-qq", "-o", str(calls), "-e", f"trace=%network,{kinds}"]
    done = subprocess.run(
        [*trace, *command],
        cwd=folder,
        env={**inherited, **homes, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, calls.read_text(errors="replace")


def sockets(calls: str) -> list[str]:
    """Sockets of any family but those between processes of this machine."""
    return [line for line in calls.splitlines() if _SOCKET.match(line)]


def writes(calls: str) -> list[str]:
    """Successful calls that create or change a file, other than a device."""
    return [
        line
        for line in calls.splitlines()
        if _WRITING.match(line) and " = -1 " not in line and '"/dev/' not in line
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


PICTURE, PHOTOGRAPH = str(SAMPLES / "7-mnist.png"), str(SAMPLES / "7-chalk.jpg")
API = (
    "from mnist_edge import DigitClassifier\n"
    "classifier = DigitClassifier(threads=2)\n"
    f"print(classifier.predict({PICTURE!r}).digit, *classifier.stream([{PHOTOGRAPH!r}]))\n"
)
RUNS = {
    "picture": (*PROGRAM, "predict", PICTURE),
    "photograph": (*PROGRAM, "predict", PHOTOGRAPH, "--threads", "2"),
    "folder": (*PROGRAM, "predict", str(SAMPLES), "--workers", "2", "--format", "csv"),
    "API": (sys.executable, "-c", API),
}


@pytest.mark.parametrize("name", RUNS)
def test_prediction_opens_no_socket_and_writes_nothing(name: str, folder: Path) -> None:
    printed, calls = traced(folder, *RUNS[name])
    assert "7" in printed
    assert "models" in calls  # the trace is of the program, and whole
    assert sockets(calls) == []
    assert writes(calls) == []
    assert list(folder.iterdir()) == []


def test_output_is_all_that_is_written(folder: Path) -> None:
    _, calls = traced(folder, *PROGRAM, "predict", PICTURE, "--output", "rows.csv")
    assert sockets(calls) == []
    assert [line for line in writes(calls) if "rows.csv" not in line] == []
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]


def test_info_writes_in_the_temporary_folder_alone_and_leaves_nothing(folder: Path) -> None:
    printed, calls = traced(folder, *PROGRAM, "info")
    assert "QLinearConv" in printed
    assert sockets(calls) == []
    # Removing a folder is seen relative to its descriptor.
    outside = [line for line in writes(calls) if f'"{folder}/' not in line]
    assert [line for line in outside if not re.search(r'unlinkat\(\d+, "', line)] == []
    assert list(folder.iterdir()) == []


def test_a_program_that_opens_a_socket_or_writes_is_noticed(folder: Path) -> None:
    code = "import socket, pathlib; socket.socket(); pathlib.Path('note').write_text('x')"
    _, calls = traced(folder, sys.executable, "-c", code)
    assert len(sockets(calls)) == 1
    assert len(writes(calls)) == 1


def test_network_commands_are_the_documented_ones() -> None:
    """The trainer's, those of `serve`, and URLs that the user names: their words, their reading."""
    network = re.compile(
        r"^\s*(?:(?:import|from) (?:urllib|http|socket|ssl|requests|torch\.distributed)\b"
        r"|from pyarrow import fs)",
        re.MULTILINE,
    )
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("infer", "trainer")
        for path in (ROOT / package).rglob("*.py")
        if network.search(path.read_text(encoding="utf-8"))
    }
    assert modules == {
        "infer/mnist_edge/inputs/names.py",
        "infer/mnist_edge/inputs/urls.py",
        "infer/mnist_edge/serve/addresses.py",
        "infer/mnist_edge/serve/app.py",
        "infer/mnist_edge/serve/server.py",
        "trainer/mnist_edge_trainer/data/registry.py",
        "trainer/mnist_edge_trainer/training/ranks.py",
    }
