"""The notebook runs from top to bottom, and what it shows is what it gives."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import SAMPLES

NOTEBOOK = SAMPLES / "walkthrough.ipynb"


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook, run in a copy of its folder."""
    folder = tmp_path_factory.mktemp("walkthrough")
    for picture in SAMPLES.glob("*-pen.png"):
        shutil.copy(picture, folder)
    (folder / "MNIST").symlink_to(SAMPLES / "MNIST")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with warnings.catch_warnings():
        # The kernel's own libraries deprecate one another.
        warnings.simplefilter("ignore")
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=600, resources=resources).execute()
    return notebook


def test_it_runs_from_top_to_bottom(executed: nbformat.NotebookNode) -> None:
    text = printed(executed)
    assert re.findall(r"^(torch|fp32|int8) .*passed", text, re.M) == ["torch", "fp32", "int8"]
    answers = re.findall(r"^(\d)-pen\.png (\d)", text, re.M)
    assert len(answers) == 10
    assert sum(true == told for true, told in answers) >= 9
    assert "report.html" in text


def test_it_is_kept_with_its_outputs() -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    for cell in kept.cells[2:]:
        if cell.cell_type == "code" and not cell.source.startswith("from mnist_edge_trainer"):
            assert cell.outputs, cell.source
            assert all(output.output_type != "error" for output in cell.outputs)
    assert "passed" in printed(kept)
    assert str(Path.home()) not in printed(kept)
