"""onnxruntime is imported in one place, quietly; a call of native code can be interrupted."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mnist_edge.runtime import call_within, onnxruntime
from tests.architecture import both_packages

NOISY = """
import os, sys
os.write(2, b"GPU device discovery failed: /sys/class/drm/card0/device/vendor\\n")
def set_default_logger_severity(level): pass
{end}
"""


def imports_of(module: ast.Module) -> set[str]:
    return {
        name
        for node in ast.walk(module)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_onnxruntime_is_imported_in_one_place() -> None:
    importers = {
        name
        for name, module in both_packages().items()
        if any(imported.split(".")[0] == "onnxruntime" for imported in imports_of(module.tree))
    }
    # The quantizer's package imports that place first.
    assert importers == {"mnist_edge.runtime", "mnist_edge_trainer.export.quantize"}
    assert "mnist_edge.runtime" in imports_of(both_packages()["mnist_edge_trainer.export"].tree)


def imported(folder: Path, end: str = "") -> tuple[str, str, int]:
    """Imports `mnist_edge.runtime` in a new process, with a noisy onnxruntime in `folder`."""
    (folder / "onnxruntime.py").write_text(NOISY.format(end=end))
    code = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "import mnist_edge.runtime\n"
        "print('before the end', file=sys.stderr, flush=True)\n"
        "os.write(2, b'native\\n')\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout, done.stderr, done.returncode


def test_what_the_import_prints_is_dropped_and_stderr_is_restored(tmp_path: Path) -> None:
    assert imported(tmp_path) == ("1\n", "before the end\nnative\n", 0)


def test_stderr_is_restored_where_the_import_fails(tmp_path: Path) -> None:
    _, stderr, code = imported(tmp_path, end="raise ImportError('no such library')")
    assert code == 1
    assert stderr.splitlines()[-1] == "ImportError: no such library"
    assert "GPU" not in stderr


def test_a_closed_stderr_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("def set_default_logger_severity(level): pass")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mnist_edge.runtime; print(1)"
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "1\n"


def test_result_and_error_of_a_call_come_through() -> None:
    assert call_within(60, lambda _: 5) == 5
    with pytest.raises(ValueError, match="mine"):
        call_within(60, lambda _: int("mine"))


def test_a_call_that_takes_too_long_is_told_to_end() -> None:
    ended = threading.Event()
    given = []

    def wait(options: onnxruntime.RunOptions) -> None:
        given.append(options)
        ended.wait(60)

    with pytest.raises(TimeoutError):
        call_within(0.01, wait)
    ended.set()
    assert given[0].terminate


@pytest.mark.skipif(sys.platform == "win32", reason="has other signals")
def test_ctrl_c_works_while_a_call_is_in_native_code() -> None:
    ended = threading.Event()

    def interrupted(_: onnxruntime.RunOptions) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.wait(60)  # as in native code, nothing of Python runs in this thread

    with pytest.raises(KeyboardInterrupt):
        call_within(60, interrupted)
    ended.set()
