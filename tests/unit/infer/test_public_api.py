"""What the package promises, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import mnist_edge
from mnist_edge import errors

ROOT = Path(__file__).parents[3]


def test_all_is_the_whole_public_surface() -> None:
    for name in mnist_edge.__all__:
        assert hasattr(mnist_edge, name)
    assert mnist_edge.__all__ == sorted(mnist_edge.__all__)
    assert set(errors.__all__) <= set(mnist_edge.__all__)


def test_the_tree_of_errors_is_drawn_in_full() -> None:
    drawn = re.findall(r"\b\w+Error\b", errors.__doc__ or "")
    assert sorted(drawn) == sorted(errors.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), mnist_edge.MnistEdgeError)


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, flags=re.MULTILINE)
    assert versions[0] == mnist_edge.__version__


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh process that has run `code`."""
    report = "\nimport sys; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.splitlines()[-1].split())


TRAINING = {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "sklearn", "scipy"}


def test_predicting_loads_nothing_of_the_training_side() -> None:
    api = loaded_after(
        "from mnist_edge import DigitClassifier; DigitClassifier().predict('samples/7-pen.png')"
    )
    assert not api & (TRAINING | {"mnist_edge_trainer", "typer", "rich"})
    program = loaded_after(
        "import os, sys; sys.argv = ['mnist-edge', 'predict', 'samples/7-pen.png']\n"
        "from mnist_edge.cli.main import main\n"
        "class Ended(Exception): pass\n"
        "def end(code): raise Ended\n"
        "os._exit = end\n"
        "try: main()\nexcept Ended: pass"
    )
    # What one picture does not need costs a third of the time to its answer.
    needless = {"typer", "rich", "pathlib", "tempfile", "multiprocessing", "hashlib", "csv"}
    assert not program & (TRAINING | {"mnist_edge_trainer"} | needless)
    assert "onnxruntime" in program


def test_the_version_is_told_before_anything_heavy_loads() -> None:
    loaded = loaded_after(
        "import sys; sys.argv = ['mnist-edge', '--version']\n"
        "from mnist_edge.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert not loaded & (TRAINING | {"onnxruntime", "numpy", "PIL", "rich"})


def test_the_inference_side_names_no_training_package() -> None:
    for path in (ROOT / "infer").rglob("*.py"):
        imported = re.findall(r"^\s*(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE)
        # The one picture that a device may draw, where it has what draws it.
        allowed = {"matplotlib"} if path.name == "picture.py" else set()
        assert not set(imported) & (TRAINING | {"mnist_edge_trainer"}) - allowed, path
