"""What the tests share: the real dataset, and one network trained by the real command."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

# Before anything reads it: as many threads in all as there are cores.
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _workers)))

from mnist_edge.mnist import load_split

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"

Digits = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def test_digits() -> Digits:
    """MNIST's 10,000 test images uint8 [N, 28, 28] and labels."""
    return load_split(SAMPLES, "test")


@pytest.fixture(scope="session")
def train_digits() -> Digits:
    """MNIST's 60,000 training images uint8 [N, 28, 28] and labels."""
    return load_split(SAMPLES, "train")


def run_cli(
    *args: str | Path, stdin: bytes = b"", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """The installed program in a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "mnist_edge", *map(str, args)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def on_a_small_disk(
    folder: Path, *args: str | Path, size: str = "64k"
) -> subprocess.CompletedProcess[str]:
    """The program, with a full disk soon to come in `folder`; skips where none can be made."""
    folder.mkdir()
    program = shlex.join([sys.executable, "-m", "mnist_edge", *map(str, args)])
    mount = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(folder))} || exit 77"
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c", f"{mount}; {program}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no small disk can be made here")
    return done


@pytest.fixture(scope="session")
def cli() -> Cli:
    return run_cli


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of `mnist-edge train --epochs 1` over all of MNIST."""
    run = tmp_path_factory.mktemp("runs") / "quick"
    done = run_cli("train", "--epochs", "1", "--out", run)
    assert done.returncode == 0, done.stderr
    return run
