"""`mnist-edge runs`: runs are listed and compared by the files in their folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge_trainer.cli.runs import RunsOptions, runs

_HEADER = "epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy,val_photo_accuracy,seconds\n"
_ROWS = (
    "1,0.001,0.5,0.8,0.08,0.97,,60\n",
    "2,0.004,0.3,0.9,0.04,0.99,,90\n",
    "3,0.001,0.2,0.95,0.05,0.985,,60\n",
)


def _run(name: str, when: int, rows: int = 3, **options: Any) -> Path:
    folder = Path("runs") / name
    folder.mkdir(parents=True)
    config = {"arch": "small", "epochs": 3, "lr": 0.004, "patience": 25, "seed": 0} | options
    (folder / "config.json").write_text(json.dumps(config))
    if rows:
        (folder / "history.csv").write_text(_HEADER + "".join(_ROWS[:rows]))
    for file in folder.iterdir():
        os.utime(file, (when, when))
    return folder


def _evaluate(folder: Path, accuracy: float, int8: float | None = None) -> None:
    scores = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 10}
    common = {
        "accuracy_interval": [accuracy - 0.01, accuracy + 0.01],
        "loss": 0.1,
        "ece": 0.01,
        "macro": scores,
        "confusion": [[9, 1], [1, 9]],
    }
    values = {
        "model": str(folder),
        "split": "test",
        "dataset": "mnist",
        "images": 20,
        "accuracy": accuracy,
        **common,
        "mistakes": [],
        "classes": [{"label": label, **scores} for label in "ab"],
        "int8": int8 and {"file": "x.onnx", "bytes": 7, "accuracy": int8, **common},
    }
    (folder / "evaluation-test.json").write_text(json.dumps(values))


@pytest.fixture(autouse=True)
def _work_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_runs_are_listed_with_their_figures_the_last_modified_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run("new", 3_000_000, seed=5, dataset="kmnist")
    _evaluate(_run("old", 1_000_000), 0.9912, int8=0.9905)
    _run("going-on", 2_000_000, rows=1)
    _run("begun", 2_500_000, rows=0)
    runs(RunsOptions([], as_json=False))
    _, *rows = _lines(capsys)
    assert rows == [
        [
            "old",
            "small",
            "mnist",
            "3/3",
            "2",
            "0.0400",
            "99.00%",
            "0",
            "3.5",
            "99.12%",
            "99.05%",
        ],
        ["going-on", "small", "mnist", "1/3", "1", "0.0800", "97.00%", "0", "1.0", "-", "-"],
        ["begun", "small", "mnist", "0/3", "-", "-", "-", "0", "0.0", "-", "-"],
        ["new", "small", "kmnist", "3/3", "2", "0.0400", "99.00%", "5", "3.5", "-", "-"],
    ]


def test_damaged_runs_are_reported_and_the_others_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run("good", 1_000_000)
    (_run("cut", 2_000_000) / "config.json").write_text('{"arch": "edge-')
    (_run("odd", 3_000_000) / "history.csv").write_text(_HEADER + "1,0.1,nothing\n")
    (_run("scored", 4_000_000) / "evaluation-test.json").write_bytes(b"\xff\x00")
    (Path("runs") / "exported").mkdir()
    (Path("runs") / "exported" / "mnist-edge-int8.onnx").touch()
    (Path("runs") / "notes.txt").touch()
    runs(RunsOptions([], as_json=False))
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()] == ["run", "good"]
    named = [line.split(": ")[0] for line in output.err.splitlines()]
    assert sorted(named) == [
        str(Path("runs") / name)
        for name in ("cut/config.json", "odd/history.csv", "scored/evaluation-test.json")
    ]


def test_comparison_has_the_options_that_differ_and_the_figures_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _evaluate(_run("a", 1_000_000), 0.9912)
    _run("b", 2_000_000, rows=2, lr=0.01, optimizer="sgd")
    runs(RunsOptions(["a", "runs/b"], as_json=False))
    table = {tuple(line[:-2]): line[-2:] for line in _lines(capsys)}
    assert table[()] == ["a", "b"]
    assert table[("lr",)] == ["0.004", "0.01"]
    assert table[("optimizer",)] == ["-", "sgd"]
    assert ("arch",) not in table
    assert ("seed",) not in table
    assert table[("epochs", "done")] == ["3/3", "2/3"]
    assert table[("test", "top-1")] == ["99.12%", "-"]
    assert ("int8",) not in table  # neither has one
    assert ("val.", "photographs") not in table


def test_json_has_the_best_epoch_and_the_scores_of_each_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _evaluate(_run("a", 1_000_000), 0.9912, int8=0.99)
    _run("b", 2_000_000, rows=1)
    runs(RunsOptions([], as_json=True))
    first, second = json.loads(capsys.readouterr().out)
    assert first["run"] == str(Path("runs") / "a")
    assert (first["best_epoch"], first["val_loss"], first["val_accuracy"]) == (2, 0.04, 0.99)
    assert (first["test_accuracy"], first["int8_accuracy"]) == (0.9912, 0.99)
    assert first["config"]["lr"] == 0.004
    assert (first["finished"], second["finished"]) == (True, False)
    assert second["test_accuracy"] is None


def test_run_that_stopped_early_is_finished(capsys: pytest.CaptureFixture[str]) -> None:
    _run("patient", 1_000_000, epochs=50, patience=2)
    _run("hasty", 2_000_000, epochs=50, patience=1)  # epoch 3 is no better than epoch 2
    runs(RunsOptions([], as_json=True))
    patient, hasty = json.loads(capsys.readouterr().out)
    assert (patient["finished"], hasty["finished"]) == (False, True)


def test_no_runs_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="mnist-edge train"):
        runs(RunsOptions([], as_json=False))


def test_named_run_that_is_missing_or_damaged_is_an_error() -> None:
    (_run("cut", 1_000_000) / "config.json").write_text("{")
    with pytest.raises(UsageError, match="nowhere: no such run"):
        runs(RunsOptions(["nowhere"], as_json=False))
    with pytest.raises(TrainingError, match="damaged"):
        runs(RunsOptions(["cut"], as_json=False))


def test_listing_imports_no_heavy_package() -> None:
    _run("a", 1_000_000)
    code = (
        "import sys; from mnist_edge_trainer.cli.runs import RunsOptions, runs;"
        "runs(RunsOptions());"
        "sys.exit(bool({'torch', 'sklearn', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
