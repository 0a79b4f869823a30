"""The public surface of the package, and what importing and running it loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_edge
from mnist_edge import errors
from tests.conftest import ROOT, modules_loaded_by

TRAINING = {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "sklearn", "scipy"}
"""Packages that a device does not have."""


def top_level(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def modules_after(code: str) -> set[str]:
    """Names of the modules that are loaded in a new process that has run some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_all_lists_every_name_that_the_package_imports_from_its_modules() -> None:
    source = Path(mnist_edge.__file__).read_text(encoding="utf-8")
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mnist_edge.")
        for alias in node.names
    }
    assert set(mnist_edge.__all__) == imported | {"__version__"}
    assert mnist_edge.__all__ == sorted(mnist_edge.__all__)


def test_every_public_name_exists_and_no_other() -> None:
    for name in mnist_edge.__all__:
        assert getattr(mnist_edge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mnist_edge.Nothing


def test_every_error_is_public_and_of_one_family() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert classes == set(errors.__all__)
    assert classes <= set(mnist_edge.__all__)
    for name in classes:
        assert issubclass(getattr(errors, name), mnist_edge.MnistEdgeError)


def test_tree_of_errors_in_the_docstring_is_complete() -> None:
    drawn = re.findall(r"\b\w+Error\b", errors.__doc__ or "")
    assert sorted(drawn) == sorted(errors.__all__)


def test_newest_version_in_the_changelog_is_this_one() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, flags=re.MULTILINE)
    assert versions[0] == mnist_edge.__version__


def test_predicting_from_python_loads_no_training_package_and_no_command_line() -> None:
    loaded = top_level(
        modules_after(
            "from mnist_edge import DigitClassifier\nDigitClassifier().predict('samples/7-pen.png')"
        )
    )
    assert "onnxruntime" in loaded
    assert loaded & (TRAINING | {"mnist_edge_trainer", "typer", "rich"}) == set()


def test_predicting_one_picture_loads_only_what_it_needs() -> None:
    loaded = top_level(modules_loaded_by("predict", "samples/7-pen.png"))
    assert "onnxruntime" in loaded
    # Each of these delays the first prediction: it is for many pictures, or for other commands.
    needless = {"typer", "rich", "csv", "multiprocessing", "tempfile"}
    assert loaded & (TRAINING | {"mnist_edge_trainer"} | needless) == set()


def test_version_is_printed_before_anything_heavy_is_loaded() -> None:
    loaded = top_level(modules_loaded_by("--version"))
    assert loaded & (TRAINING | {"onnxruntime", "numpy", "PIL", "rich"}) == set()
