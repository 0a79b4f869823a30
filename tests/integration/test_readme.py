"""The README tells the truth: its commands run, and its answers are the program's."""

from __future__ import annotations

import json
import re
import shlex
import statistics
from pathlib import Path

import pytest

from mnist_edge.model import Model, bundled_models
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


def test_the_table_of_architectures_is_the_programs(cli: Cli) -> None:
    (shown,) = re.findall(r"^\$ mnist-edge models\n(.*?)^```", README, re.M | re.S)
    done = cli("models")
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in shown.splitlines()] == [
        line.split() for line in done.stdout.splitlines()
    ]


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_the_stated_accuracy_is_the_files_own(name: str) -> None:
    model = Model.load(name)
    row = row_of(CARD, name)
    assert percent(float(model.metadata["test_accuracy"])) in row
    assert f"{len(model.content):,}" in row


FAMILY = {
    "nano": "mnist-edge-nano-int8",
    "small": "mnist-edge-int8",
    "large": "mnist-edge-large-int8",
}
TEACHER = {"committee": "mnist-edge-committee-int8"}


@pytest.mark.parametrize(("name", "model"), (FAMILY | TEACHER).items())
def test_the_family_is_what_the_files_and_the_recorded_seeds_say(name: str, model: str) -> None:
    seeds = json.loads((ROOT / "models" / "seeds.json").read_text(encoding="utf-8"))[name]
    released = Model.load(model)
    assert seeds[0]["seed"] == int(released.metadata["seed"])
    assert seeds[0]["test_accuracy_int8"] == float(released.metadata["test_accuracy"])
    assert json.loads(released.metadata["training_recipe"]) == {"recipe": name}
    mean = percent(statistics.mean(run["test_accuracy_int8"] for run in seeds))
    assert mean in row_of(CARD, model)
    if name in FAMILY:
        assert mean in row_of(README, model)
        assert f"{len(released.content) / 1024:.1f} KiB" in row_of(README, model)


def test_the_readmes_own_figures_are_the_files() -> None:
    default = Model.load()
    assert f"{len(default.content) / 1024:.0f} KiB" in README
    assert f"right on {percent(float(default.metadata['test_accuracy']))} of" in README


def row_of(document: str, name: str) -> str:
    return next(line for line in document.splitlines() if line.startswith(f"| `{name}`"))


def percent(fraction: float) -> str:
    return f"{fraction:.2%}".replace("%", " %")


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
