"""Scores, checked against scikit-learn's own report, textbook formulas and plain counting."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from sklearn.metrics import classification_report, log_loss

from mnist_edge import UsageError
from mnist_edge.cli.console import log
from mnist_edge.model import Model, bundled_models
from mnist_edge.types import DIGITS
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.cli.evaluate import EvaluateOptions
from mnist_edge_trainer.cli.evaluate import evaluate as run_command
from mnist_edge_trainer.data.splits import Digits, load_digits
from mnist_edge_trainer.evaluation.assessment import assess
from mnist_edge_trainer.evaluation.metrics import evaluate, wilson_interval
from mnist_edge_trainer.evaluation.target import EvaluationTarget, load_target
from mnist_edge_trainer.export.export import export_run
from mnist_edge_trainer.export.graph_passes import set_metadata
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig

Probabilities = npt.NDArray[np.float32]

PICTURES = ("confusion", "mistakes", "predictions", "reliability", "attention")
LETTERS = tuple(f"letter {number}" for number in range(47))


@pytest.fixture(scope="module")
def digits() -> Digits:
    from tests.conftest import SAMPLES

    return load_digits(SAMPLES, "test")[:2_000]


@pytest.fixture(scope="module")
def probabilities(digits: Digits) -> Probabilities:
    return Model.load("mnist-edge-int8").run(digits.images[:, 0].numpy())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with an untrained network in it, and what was exported from that."""
    from tests.conftest import SAMPLES

    torch.manual_seed(0)
    config = TrainConfig(photos=0)
    untrained = Checkpoint(config, 1, 2.3, 0.1, MNIST, build(config.arch).state_dict())
    folder = tmp_path_factory.mktemp("run")
    untrained.save(folder / "best.pt")
    parts = (load_digits(SAMPLES, split)[:6_000] for split in ("train", "test"))  # type: ignore[arg-type]
    export_run(untrained, *parts, folder, with_int8=True, force=True)
    return folder


def test_scores_of_the_bundled_model(digits: Digits, probabilities: Probabilities) -> None:
    result = evaluate(probabilities, digits)
    labels, answers = digits.labels.numpy(), probabilities.argmax(axis=1)

    assert result.labels == DIGITS
    assert result.accuracy == (answers == labels).mean()
    assert result.confusion.sum() == 2_000
    assert result.confusion.trace() == (answers == labels).sum()
    np.testing.assert_array_equal(result.confusion.sum(axis=1), np.bincount(labels))
    assert result.loss == pytest.approx(log_loss(labels, probabilities), rel=1e-3)
    report = classification_report(labels, answers, output_dict=True)
    for digit, scores in enumerate(result.classes):
        expected = report[str(digit)]
        assert scores.precision == pytest.approx(expected["precision"])
        assert scores.recall == pytest.approx(expected["recall"])
        assert scores.f1 == pytest.approx(expected["f1-score"])
        assert scores.support == expected["support"]
    assert result.macro.precision == pytest.approx(report["macro avg"]["precision"])


def test_calibration_error_is_that_of_a_plain_loop(
    digits: Digits, probabilities: Probabilities
) -> None:
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for row, label in zip(probabilities.tolist(), digits.labels.tolist(), strict=True):
        confidence = max(row)
        bins[math.ceil(confidence * 15) - 1].append((confidence, row.index(confidence) == label))
    expected = 0.0
    for one in filter(None, bins):
        confident = sum(confidence for confidence, _ in one) / len(one)
        right = sum(is_right for _, is_right in one) / len(one)
        expected += len(one) / len(digits) * abs(right - confident)
    assert evaluate(probabilities, digits).ece == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_a_boaster() -> None:
    """Always certain and right on 6 of 8: 1 - 0.75."""
    certain = np.tile(np.float32([1, 0]), (8, 1))
    labels = torch.tensor([0, 0, 0, 1, 0, 0, 0, 1])
    result = evaluate(certain, Digits(torch.zeros(8, 1, 28, 28), labels), ("yes", "no"))
    assert result.ece == pytest.approx(0.25)


@pytest.mark.parametrize(("right", "images"), [(0, 5), (5, 5), (9_960, 10_000), (43, 57)])
def test_wilson_interval_is_the_textbook_formula(right: int, images: int) -> None:
    z, p = 1.959963984540054, right / images
    middle = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(p * (1 - p) / images + z * z / (4 * images**2)) / (1 + z * z / images)
    assert wilson_interval(right, images) == pytest.approx((middle - half, middle + half))


def test_mistakes_are_the_wrong_answers_by_confidence(
    digits: Digits, probabilities: Probabilities
) -> None:
    mistakes = evaluate(probabilities, digits).mistakes
    labels = digits.labels.tolist()
    wrong = {i for i, row in enumerate(probabilities) if int(row.argmax()) != labels[i]}
    assert {mistake.index for mistake in mistakes} == wrong
    assert len(mistakes) > 3
    confidences = [mistake.confidence for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    for mistake in mistakes:
        assert mistake.true == str(labels[mistake.index])
        assert mistake.confidence == probabilities[mistake.index, int(mistake.predicted)]


def test_a_class_that_never_occurs_counts_nothing() -> None:
    answers = np.float32([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]])
    nowhere = Digits(torch.zeros(2, 1, 28, 28), torch.tensor([0, 1]))
    result = evaluate(answers, nowhere, ("cat", "dog", "bird"))
    assert (result.classes[2].f1, result.classes[2].support) == (0, 0)
    assert result.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


class TestWhatIsWritten:
    def test_the_json_and_every_picture_of_a_run_with_int8(
        self,
        run: Path,
        samples: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        run_command(EvaluateOptions(str(run), "test", samples, tmp_path, svg=True, as_json=True))
        told = json.loads(capsys.readouterr().out)
        assert told == json.loads((tmp_path / "evaluation-test.json").read_text())
        names = {f"{name}-test" for name in PICTURES} | {"filters"}
        written = {path.name for path in tmp_path.iterdir()} - {"evaluation-test.json"}
        assert written == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}

        assert list(told) == [
            *("model", "split", "dataset", "images", "accuracy", "accuracy_interval", "loss"),
            *("ece", "classes", "macro", "confusion", "mistakes", "int8"),
        ]
        assert (told["dataset"], told["split"], told["images"]) == ("mnist", "test", 10_000)
        assert list(told["classes"][3]) == ["label", "precision", "recall", "f1", "support"]
        assert list(told["mistakes"][0]) == ["index", "true", "predicted", "confidence"]
        assert sum(map(sum, told["confusion"])) == 10_000
        assert len(told["mistakes"]) == 10_000 - sum(told["confusion"][i][i] for i in range(10))

        int8, file = told["int8"], run / "mnist-edge-int8.onnx"
        assert (int8["file"], int8["bytes"]) == (file.name, file.stat().st_size)
        test = load_digits(samples, "test")
        answers = Model.load(str(file)).run(test.images[:, 0].numpy()).argmax(axis=1)
        assert int8["accuracy"] == (answers == test.labels.numpy()).mean()
        assert set(int8) == {
            *("file", "bytes", "accuracy", "accuracy_interval", "loss", "ece", "macro"),
            "confusion",
        }

    def test_an_int8_file_of_another_epoch_is_not_the_run_s(
        self, run: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        replace(load_checkpoint(run / "best.pt"), epoch=2).save(tmp_path / "best.pt")
        file = tmp_path / "mnist-edge-int8.onnx"
        file.write_bytes((run / file.name).read_bytes())
        assert load_target(str(run), "test", samples, log).int8 is not None
        assert load_target(str(tmp_path), "test", samples, log).int8 is None
        assert "another epoch" in capsys.readouterr().err

    def test_a_model_file_has_no_filters_and_writes_where_it_is_told(
        self, digits: Digits, tmp_path: Path
    ) -> None:
        model = Model.load("mnist-edge-int8")
        subject = EvaluationTarget(
            "mnist-edge-int8", model.run, "validation", digits[:300], None, "mnist", DIGITS
        )
        assessment = assess(subject)
        assert assessment.values()["int8"] is None
        written = {path.name for path in assessment.write(tmp_path / "new")}
        assert written == {f"{name}-validation.png" for name in PICTURES} | {
            "evaluation-validation.json"
        }


class TestWhatIsPrinted:
    def test_a_run_beside_its_int8_file(
        self, run: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run_command(EvaluateOptions(str(run), "validation", samples, tmp_path))
        text = capsys.readouterr().out
        assert "95 % interval" in text
        assert "on 5,000 validation images" in text
        (int8,) = (line for line in text.splitlines() if line.startswith("int8"))
        told = json.loads((tmp_path / "evaluation-validation.json").read_text())["int8"]
        low, high = told["accuracy_interval"]
        assert int8.split("exported")[1].split() == [
            *(f"{told['accuracy']:.2%}", f"{low:.2%}", "to", f"{high:.2%}"),
            *(f"{told['macro']['f1']:.4f}", f"{told['loss']:.4f}", f"{told['ece']:.2%}"),
        ]
        assert "confusion matrix" in text

    def test_of_many_classes_what_is_confused_most(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        labels = np.arange(94) % 47
        answers = np.where(labels == 5, 46, labels)
        network = np.eye(47, dtype=np.float32)[answers]
        many = Digits.of(np.zeros((94, 28, 28), np.uint8), labels)
        subject = EvaluationTarget("many", lambda _: network, "test", many, None, "many", LETTERS)
        monkeypatch.setattr("mnist_edge_trainer.evaluation.target.load_target", lambda *_: subject)
        run_command(EvaluateOptions("many"))
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) < 200
        assert lines[-1].split() == ["letter", "5", "letter", "46", "2"]


class TestSubject:
    def named(self, labels: str, folder: Path) -> Path:
        model = onnx.load(bundled_models()["mnist-edge-int8"])
        set_metadata(model, {"labels": labels})
        onnx.save(model, folder / "named.onnx")
        return folder / "named.onnx"

    def test_a_file_of_other_classes_cannot_be_scored(self, samples: Path, tmp_path: Path) -> None:
        file = self.named("zero,one,two,three,four,five,six,seven,eight,nine", tmp_path)
        with pytest.raises(UsageError, match=r"predicts zero, one, .* point --data at"):
            load_target(str(file), "test", samples, log)

    def test_a_run_brings_its_first_layer(self, run: Path, samples: Path) -> None:
        filters = load_target(str(run), "test", samples, log).filters
        assert filters is not None
        weights = load_checkpoint(run / "best.pt").weights
        # Four pixels beside one another are the four channels of one position.
        of_positions = filters.reshape(16, 5, 3, 4).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(of_positions, weights["features.1.0.weight"])
