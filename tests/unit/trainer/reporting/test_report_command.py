"""`mnist-edge report`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from mnist_edge_trainer.architectures.registry import build, count_parameters
from mnist_edge_trainer.cli.report import ReportOptions, report
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from tests.conftest import SAMPLES
from tests.unit.trainer.reporting.page import Page


@pytest.fixture
def network(run: Path) -> int:
    """Puts an untrained network into `run`; its number of parameters."""
    torch.manual_seed(0)
    network = build("mlp")
    config = TrainConfig(arch="mlp", photos=0)
    Checkpoint(config, 1, 2.3, 0.1, MNIST, network.state_dict()).save(run / "best.pt")
    return count_parameters(network)


def test_splits_that_were_not_evaluated_are_evaluated_first(
    run: Path, network: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (run / "evaluation-test.json").read_text()
    (run / "evaluation-test.json").unlink()
    evaluated: list[str] = []

    def evaluate_run(_: object, split: str, *__: object) -> None:
        evaluated.append(split)
        (run / f"evaluation-{split}.json").write_text(text)

    monkeypatch.setattr("mnist_edge_trainer.evaluation.assessment.evaluate_run", evaluate_run)
    report(ReportOptions(run, data=SAMPLES))
    output = capsys.readouterr()
    assert evaluated == ["validation", "test"]
    assert output.out.startswith(f"wrote {run / 'report.html'} (")
    assert output.err.count("evaluating it") == 2
    assert f"{network:,} trainable parameters" in Page(run / "report.html").words

    report(ReportOptions(run, run / "again.html", SAMPLES))
    assert "evaluating it" not in capsys.readouterr().err
    assert len(evaluated) == 2
    assert (run / "again.html").exists()


@pytest.mark.slow
def test_report_of_a_trained_run_has_the_accuracies_of_training_and_test(
    trained_run: Path, tmp_path: Path
) -> None:
    report(ReportOptions(trained_run, tmp_path / "report.html", SAMPLES))
    *_, epoch = csv.DictReader((trained_run / "history.csv").read_text().splitlines())
    validation = json.loads((trained_run / "evaluation-validation.json").read_text())
    assert validation["accuracy"] == pytest.approx(float(epoch["val_accuracy"]))
    test = json.loads((trained_run / "evaluation-test.json").read_text())
    words = Page(tmp_path / "report.html").words
    assert f"Accuracy {test['accuracy']:.2%} on 10,000 test images" in words
