"""A program that PyInstaller made of the package finds its models, without a Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mnist_edge._pyinstaller import hook_folders
from tests.conftest import ROOT, SAMPLES

SCRIPT = "from mnist_edge.cli.main import main\nmain()\n"


def test_hook_lies_where_pyinstaller_is_told_to_look() -> None:
    (folder,) = hook_folders()
    assert (Path(folder) / "hook-mnist_edge.py").is_file()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("PyInstaller") is None, reason="PyInstaller is not installed")
@pytest.mark.parametrize("form", ["--onedir", "--onefile"])
def test_a_frozen_program_predicts_in_one_process_and_in_several(form: str, tmp_path: Path) -> None:
    package = tmp_path / "installed" / "mnist_edge"
    shutil.copytree(
        ROOT / "infer/mnist_edge", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "models", package / "models")
    (tmp_path / "digits.py").write_text(SCRIPT)
    options = [form, "--log-level=ERROR", f"--additional-hooks-dir={package / '_pyinstaller'}"]
    options += [f"--exclude-module={name}" for name in ("mnist_edge_trainer", "torch", "onnx")]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", *options, "digits.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        check=True,
    )
    shutil.rmtree(package)
    program = tmp_path / "dist" / ("digits" if form == "--onefile" else "digits/digits")
    for arguments in (["7-chalk.jpg", "--model", "mnist-edge-nano-int8"], [".", "--workers", "2"]):
        done = subprocess.run(
            [program, "predict", *arguments, "--format", "csv"],
            cwd=SAMPLES,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        rows = [line.split(",")[:2] for line in done.stdout.splitlines()[1:]]
        assert rows
        assert all(Path(name).name[0] == digit for name, digit in rows)
