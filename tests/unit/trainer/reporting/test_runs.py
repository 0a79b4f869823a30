"""What is read from a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.errors import TrainingError
from mnist_edge_trainer.evaluation.records import ClassScores, Epoch
from mnist_edge_trainer.reporting.runs import (
    find_runs,
    read_evaluation,
    read_run,
    runs_of_same_recipe,
)
from tests.unit.trainer.reporting.conftest import CONFIG, make_run


def test_evaluation_is_read_and_written_without_a_difference(
    run: Path, evaluation: dict[str, Any]
) -> None:
    read = read_evaluation(run, "test")
    assert read is not None
    assert json.loads(json.dumps(read.to_dict())) == evaluation
    assert read.accuracy_interval == tuple(evaluation["accuracy_interval"])
    assert read.classes[3] == ClassScores(**evaluation["classes"][3])
    assert read.macro == ClassScores("macro", **evaluation["macro"])
    assert read.mistakes[0].confidence == evaluation["mistakes"][0]["confidence"]
    assert read.int8 is not None
    assert read.int8.confusion == evaluation["int8"]["confusion"]


def test_run_that_was_not_evaluated_has_no_evaluation(run: Path) -> None:
    assert read_evaluation(run, "validation") is None


@pytest.mark.parametrize("of_int8", [False, True])
def test_confusion_matrix_of_other_classes_is_damage(
    tmp_path: Path, evaluation: dict[str, Any], of_int8: bool
) -> None:
    other = {"confusion": [[1, 2], [3, 4]]}
    values = evaluation | ({"int8": evaluation["int8"] | other} if of_int8 else other)
    run = make_run(tmp_path / "first", values)
    with pytest.raises(TrainingError, match="not one of 10 classes"):
        read_evaluation(run, "test")


def test_value_that_is_missing_is_named(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    values = {name: value for name, value in evaluation.items() if name != "ece"}
    run = make_run(tmp_path / "first", values)
    with pytest.raises(TrainingError, match=r"evaluation-test\.json: damaged.*'ece' is missing"):
        read_evaluation(run, "test")


def test_history_and_recipe_are_read(run: Path) -> None:
    read = read_run(run)
    assert read.config == CONFIG
    assert (read.arch, read.dataset, read.epochs, read.seed) == ("small", "mnist", 3, 0)
    assert read.history[0] == Epoch(1, 0.6469, 0.8324, 0.0784, 0.9796, 0.8866, 17.3)
    assert read.best == read.history[2]
    assert read.finished
    assert not read.stopped_early
    assert read.seconds == pytest.approx(50.5)


def test_history_of_a_run_without_photographs_has_no_accuracy_on_them(run: Path) -> None:
    history = run / "history.csv"
    history.write_text(history.read_text().replace("0.8866", ""))
    assert read_run(run).history[0].val_photo_accuracy is None


def test_runs_of_a_recipe_differ_in_the_seed_alone(run: Path, evaluation: dict[str, Any]) -> None:
    recipes: dict[str, dict[str, Any]] = {
        "other-seed": {"seed": 1},
        "same-seed": {},
        "other-rate": {"seed": 2, "lr": 0.1},
        "unfinished": {"seed": 3, "epochs": 9},
        "damaged": {"seed": 4},
    }
    for name, options in recipes.items():
        make_run(run.parent / name, evaluation, **options)
    (run.parent / "damaged" / "config.json").write_text("{")
    (run.parent / "unfinished" / "config.json").write_text(json.dumps(CONFIG | {"seed": 3}))
    lines = (run.parent / "unfinished" / "history.csv").read_text().splitlines()
    (run.parent / "unfinished" / "history.csv").write_text("\n".join(lines[:2]))
    assert len(find_runs(run.parent)) == 6
    found = runs_of_same_recipe(read_run(run))
    assert [other.path.name for other in found] == ["first", "other-seed"]
