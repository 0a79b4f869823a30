"""onnxruntime's telemetry is off on every road: nothing is written to the user's home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

ROADS = {
    "command line": ["-m", "mnist_edge", "predict", str(ROOT / "samples" / "7-pen.png")],
    "Python API": ["-c", "from mnist_edge import DigitClassifier; DigitClassifier()"],
    "bench": ["-c", "import mnist_edge.bench.runner"],
    "trainer": ["-c", "import mnist_edge_trainer.export.quantize"],
}


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_written_to_the_home_folder(road: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    inherited = {
        name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"
    }
    subprocess.run([sys.executable, *ROADS[road]], env=inherited | home, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_a_user_who_sets_the_variable_is_obeyed(tmp_path: Path) -> None:
    code = "import os, mnist_edge; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "0", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
