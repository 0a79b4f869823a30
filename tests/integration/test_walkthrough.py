"""The notebook runs from top to bottom, and the outputs that it is kept with are its own."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from typer.main import get_command

from mnist_edge.cli.app import app
from tests.conftest import SAMPLES

NOTEBOOK = SAMPLES / "walkthrough.ipynb"


def printed(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells print."""
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


def read_notebook() -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    return notebook


def cells_of_python() -> list[str]:
    cells = [cell.source for cell in read_notebook().cells if cell.cell_type == "code"]
    return [source for source in cells if not source.startswith("%%")]


def cells_of_shell() -> list[str]:
    cells = [cell.source for cell in read_notebook().cells if cell.cell_type == "code"]
    return [source for source in cells if source.startswith("%%sh")]


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Runs a notebook in a copy of its folder."""
    for picture in SAMPLES.glob("*-pen.png"):
        shutil.copy(picture, folder)
    (folder / "MNIST").symlink_to(SAMPLES / "MNIST")
    with warnings.catch_warnings():
        # The kernel's libraries deprecate one another.
        warnings.simplefilter("ignore")
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=600, resources=resources).execute()


@pytest.mark.slow
def test_notebook_trains_exports_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    notebook, folder = read_notebook(), tmp_path / "walkthrough"
    folder.mkdir()
    execute(notebook, folder)
    text = printed(notebook)
    assert re.findall(r"^(torch|fp32|int8) .*passed", text, re.M) == ["torch", "fp32", "int8"]
    digits = re.findall(r"^(\d)-pen\.png (\d)", text, re.M)
    assert len(digits) == 10
    assert sum(true == predicted for true, predicted in digits) >= 9
    assert "report.html" in text


def test_notebook_imports_names_that_exist() -> None:
    imported = [
        (str(node.module), alias.name)
        for source in cells_of_python()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mnist_edge")
        for alias in node.names
    ]
    assert imported
    for module, name in imported:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_notebook_runs_commands_whose_options_exist() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    lines = [
        shlex.split(line)
        for source in cells_of_shell()
        for line in source.replace("\\\n", " ").splitlines()
        if line.startswith("mnist-edge ")
    ]
    assert lines
    for _, name, *arguments in lines:
        commands[name].make_context(name, arguments)


def test_notebook_is_kept_with_its_outputs() -> None:
    notebook = read_notebook()
    for cell in notebook.cells[2:]:
        if cell.cell_type == "code" and not cell.source.startswith("from mnist_edge_trainer"):
            assert cell.outputs, cell.source
            assert all(output.output_type != "error" for output in cell.outputs)
    assert "passed" in printed(notebook)
    assert str(Path.home()) not in printed(notebook)
