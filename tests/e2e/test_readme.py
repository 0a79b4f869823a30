"""The README tells the truth: its commands run, and its answers are the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mnist_edge.model import Model
from tests.conftest import ROOT, Cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
CARD = (ROOT / "models" / "README.md").read_text(encoding="utf-8")

SHOWN = re.findall(r"^```console\n\$ mnist-edge (predict .*?)\n(.*?)^```", README, re.M | re.S)


def test_answers_are_shown() -> None:
    assert SHOWN


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_the_answers_shown_are_the_programs(cli: Cli, command: str, shown: str) -> None:
    done = cli(*shlex.split(command))
    assert done.returncode == 0, done.stderr
    expected = [
        (line.split()[0], line.split()[-1]) for line in shown.splitlines() if "…" not in line
    ]
    printed = [(line.split()[0], line.split()[-1]) for line in done.stdout.splitlines()]
    assert set(expected) <= set(printed)
    assert len(expected) > 1


@pytest.mark.parametrize("name", ["mnist-edge-int8", "mnist-edge-fp32"])
def test_the_stated_accuracy_is_the_files_own(name: str) -> None:
    model = Model.load(name)
    stated = f"{float(model.metadata['test_accuracy']):.2%}".replace("%", " %")
    row = next(line for line in CARD.splitlines() if line.startswith(f"| `{name}`"))
    assert stated in row
    assert f"{len(model.content):,}" in row


def test_the_readmes_own_figures_are_the_files() -> None:
    accuracy = {
        name: f"{float(Model.load(f'mnist-edge-{name}').metadata['test_accuracy']):.2%}".replace(
            "%", " %"
        )
        for name in ("fp32", "int8")
    }
    size = len(Model.load("mnist-edge-int8").content) / 1024
    assert f"{size:.0f} KiB" in README
    assert f"right on {accuracy['int8']} of" in README
    assert f"| 0 (released) | {accuracy['fp32']} | {accuracy['int8']} |" in README


def test_every_file_linked_exists() -> None:
    for document in (README, CARD):
        base = ROOT if document is README else ROOT / "models"
        for target in re.findall(r"\]\((?!http)([^)#]+)", document):
            assert (base / Path(target)).exists(), target


def test_samples_are_made_by_their_script(tmp_path: Path) -> None:
    import runpy

    import numpy as np
    from PIL import Image

    runpy.run_path(str(ROOT / "samples" / "make_samples.py"))["main"](tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    kept = [*(ROOT / "samples").glob("*.png"), *(ROOT / "samples").glob("*.jpg")]
    assert made == sorted(path.name for path in kept)
    for path in kept:
        ours, again = (np.asarray(Image.open(p)).astype(int) for p in (path, tmp_path / path.name))
        # JPEG encoders differ by a little from one version of the library to the next.
        assert np.abs(ours - again).max() <= (0 if path.suffix == ".png" else 24)
