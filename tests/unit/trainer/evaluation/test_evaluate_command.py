"""What `mnist-edge evaluate` prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mnist_edge_trainer.cli.evaluate import EvaluateOptions, evaluate
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.evaluation.target import EvaluationTarget
from tests.unit.trainer.evaluation.conftest import VALIDATION_IMAGES

LETTERS = tuple(f"letter {number}" for number in range(47))


@pytest.mark.usefixtures("undrawn")
def test_json_is_that_of_the_file(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateOptions(str(small_run), output=tmp_path, as_json=True))
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "evaluation-test.json").read_text())


@pytest.mark.usefixtures("undrawn")
def test_run_is_printed_beside_its_int8_file(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateOptions(str(small_run), split="validation", output=tmp_path))
    text = capsys.readouterr().out
    assert "95 % interval" in text
    assert f"on {VALIDATION_IMAGES} validation images" in text
    (line,) = (line for line in text.splitlines() if line.startswith("int8"))
    int8 = json.loads((tmp_path / "evaluation-validation.json").read_text())["int8"]
    low, high = int8["accuracy_interval"]
    assert line.split("exported")[1].split() == [
        f"{int8['accuracy']:.2%}",
        f"{low:.2%}",
        "to",
        f"{high:.2%}",
        f"{int8['macro']['f1']:.4f}",
        f"{int8['loss']:.4f}",
        f"{int8['ece']:.2%}",
    ]
    assert "confusion matrix" in text


def test_most_confused_pairs_are_printed_in_place_of_a_wide_matrix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = np.arange(94) % 47
    predicted = np.where(truth == 5, 46, truth)
    probabilities = np.eye(47, dtype=np.float32)[predicted]
    digits = Digits.of(np.zeros((94, 28, 28), np.uint8), truth)
    target = EvaluationTarget(
        "many", lambda _: probabilities, "test", digits, None, "many", LETTERS
    )
    monkeypatch.setattr("mnist_edge_trainer.evaluation.target.load_target", lambda *_: target)
    evaluate(EvaluateOptions("many"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 200
    assert lines[-1].split() == ["letter", "5", "letter", "46", "2"]
