"""`mnist-edge tune`: what it prints, what it writes, and what it never looks at."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mnist_edge.errors import MissingExtraError
from mnist_edge_trainer.cli import tune as command
from mnist_edge_trainer.data.datasets import load_dataset
from mnist_edge_trainer.data.splits import Digits, load_digits
from mnist_edge_trainer.training import search as tuning
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.search import recipe
from tests.conftest import SAMPLES
from tests.unit.trainer.training.searches import BASE, interrupted_in_trial, search


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a user who set it: nothing is measured, and two searches have the same number."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def digits() -> Digits:
    """2,000 real training images."""
    return load_digits(SAMPLES, "train")[:2_000]


def stand_in(
    monkeypatch: pytest.MonkeyPatch, digits: Digits, load_test: Callable[[], Digits]
) -> None:
    """Puts a few images in the place of MNIST."""
    dataset = replace(load_dataset("mnist", None), training=digits, load_test=load_test)
    monkeypatch.setattr("mnist_edge_trainer.data.datasets.load_dataset", lambda *_: dataset)


def run_command(tmp_path: Path, trials: int = 2) -> None:
    command.tune(
        command.TuneOptions(
            arch="lenet",
            epochs=1,
            trials=trials,
            storage=str(tmp_path / "tune.db"),
            output=tmp_path / "tuned.toml",
            device="cpu",
        )
    )


def test_command_uses_training_images_only_and_writes_the_best_recipe(
    tmp_path: Path,
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never() -> Digits:
        raise AssertionError("the test images were looked at")

    stand_in(monkeypatch, digits, never)
    run_command(tmp_path)
    said = capsys.readouterr()
    assert said.out.startswith("study lenet: 2 trials, 0 of them stopped early\n")
    assert said.err.splitlines()[1] == "1 thread: as OMP_NUM_THREADS says"
    assert [line[:4] for line in said.err.splitlines()[2:4]] == ["  1/", "  2/"]

    base = replace(BASE, val_split=200)  # a tenth
    result = search(tmp_path / "tune.db", digits, 2, base)
    written = TrainConfig(**tomllib.loads((tmp_path / "tuned.toml").read_text()))
    assert written == recipe(base, result.best[0].params)
    table = said.out.splitlines()
    assert table[2].split() == [
        *(word for trial in result.best for word in ("trial", str(trial.number))),
        "importance",
    ]
    assert table[3].split()[2:] == [f"{trial.value:.4f}" for trial in result.best]

    run_command(tmp_path)
    again = capsys.readouterr()
    assert again.out == said.out
    assert "2/2" not in again.err


def test_interruption_prints_how_to_resume(
    tmp_path: Path,
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in(monkeypatch, digits, lambda: digits)
    monkeypatch.setattr(tuning, "train", interrupted_in_trial(1))
    with pytest.raises(KeyboardInterrupt):
        run_command(tmp_path)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith("interrupted; the finished trials are kept in ")
    assert not (tmp_path / "tuned.toml").exists()


def test_without_its_extra_the_command_prints_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"optuna; .*pip install 'mnist-edge\[train,tune\]"):
        command.tune(command.TuneOptions())
