"""What the tests share: the real dataset, the program, and a network that it trained.

The tests neither read nor write the user's caches: theirs is a folder that lasts as long as the
session, and that all of its processes share.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from filelock import FileLock

from mnist_edge.mnist import load_split

# Before torch and onnxruntime read it: as many threads in all as there are cores.
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _workers)))

# The processes that pytest starts inherit this from the one that was started.
_IS_FIRST_PROCESS = "PYTEST_XDIST_WORKER" not in os.environ
if _IS_FIRST_PROCESS:
    os.environ["MNIST_EDGE_TEST_SESSION"] = tempfile.mkdtemp(prefix="mnist-edge-tests-")
SESSION = Path(os.environ["MNIST_EDGE_TEST_SESSION"])
CACHE = SESSION / "cache"
os.environ |= {
    "XDG_CACHE_HOME": str(CACHE),
    "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(CACHE),  # the same for platformdirs on Windows
    "MPLCONFIGDIR": str(CACHE / "matplotlib"),
}

# A shell's background job is born ignoring Ctrl-C, and so are the programs it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
PROGRAM = (sys.executable, "-m", "mnist_edge")

Digits = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Finished = subprocess.CompletedProcess[str]
Cli = Callable[..., Finished]


def pytest_unconfigure() -> None:
    if _IS_FIRST_PROCESS:
        shutil.rmtree(SESSION, ignore_errors=True)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the session: the first process that needs it makes it, the others wait.

    Args:
        name: of the folder.
        make: fills the folder, under a name of its own; where it fails, the next process tries.
    """
    folder, partial = SESSION / name, SESSION / f"{name}.partial"
    with FileLock(SESSION / f"{name}.lock"):
        if not folder.exists():
            shutil.rmtree(partial, ignore_errors=True)
            make(partial)
            partial.rename(folder)
    return folder


# Data


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


@pytest.fixture(scope="session")
def mnist_12() -> Path:
    """The ONNX model zoo's mnist-12.onnx, which the variable MNIST_EDGE_MNIST_12 names."""
    path = Path(os.environ.get("MNIST_EDGE_MNIST_12", ""))
    if not path.is_file():
        pytest.skip("MNIST_EDGE_MNIST_12 is not the path of the ONNX model zoo's mnist-12.onnx")
    return path


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch over all of MNIST, without photographs; a test may write to its folder."""

    def train(folder: Path) -> None:
        done = run_cli("train", "--epochs", "1", "--photos", "0", "--output", folder)
        assert done.returncode == 0, done.stderr

    run = tmp_path_factory.mktemp("runs") / "quick"
    shutil.copytree(made_once("trained-run", train), run)
    return run


# The program


def run_cli(
    *args: str | Path,
    stdin: bytes = b"",
    cwd: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> Finished:
    """Runs the installed program in a process of its own, without a terminal."""
    done = subprocess.run(
        [*PROGRAM, *map(str, args)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        check=False,
    )
    return Finished(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_in_process(*args: str | Path, cwd: Path = ROOT) -> Finished:
    """Runs the program in this process: for what ends before any work is done."""
    from typer.testing import CliRunner

    from mnist_edge.cli.app import app

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.chdir(cwd):
            result = CliRunner().invoke(
                app, list(map(str, args)), catch_exceptions=False, prog_name="mnist-edge"
            )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Finished(args, result.exit_code, result.stdout, result.stderr)


_LIST_MODULES = """
import os, sys
from mnist_edge.cli.main import main

def end(code):
    raise SystemExit(code)

os._exit = end
sys.argv[0] = "mnist-edge"
try:
    main()
except SystemExit:
    print(*sys.modules)
"""


def modules_loaded_by(*args: str) -> set[str]:
    """Names of the modules that are loaded when the program ends."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="session")
def cli() -> Cli:
    """The program; see `run_cli`."""

    def list_fonts(folder: Path) -> None:
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=False)
        folder.mkdir()

    # The first program that draws would do it, and say so on stderr where that takes long.
    made_once("fonts", list_fonts)
    return run_cli


@pytest.fixture(scope="session")
def cli_in_process() -> Cli:
    """The program; see `run_in_process`."""
    return run_in_process


def run_shell(line: str) -> Finished:
    """Runs a line of bash in which `mnist-edge` is the program, in the checkout."""
    program = f'mnist-edge() {{ {shlex.join(PROGRAM)} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, cwd=ROOT, check=False, timeout=300
    )


def one_line_error(done: Finished, code: int) -> str:
    """The only line of stderr; there must be no traceback, and no other exit code."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("mnist-edge: ")
    return lines[0]


def on_a_terminal(
    *args: str | Path, streams: Iterable[str] = ("stdin", "stdout", "stderr")
) -> Finished:
    """Runs the program with some of its streams on a terminal, whose text is the result's stdout.

    Skips the test where there is no such terminal (Windows).
    """
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [*PROGRAM, *map(str, args)]
    with subprocess.Popen(command, cwd=ROOT, **dict.fromkeys(streams, theirs)) as process:
        os.close(theirs)
        shown = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while block := os.read(ours, 65_536):
                shown += block
    os.close(ours)
    return Finished(command, process.returncode, shown.decode(), "")


def on_a_small_disk(folder: Path, *args: str | Path, size: str = "64k") -> Finished:
    """Runs the program with a disk in `folder` that is soon full; skips where none can be made."""
    folder.mkdir()
    mount = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(folder))} || exit 77"
    program = shlex.join([*PROGRAM, *map(str, args)])
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
