"""What an evaluation writes: the JSON and the pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.model import Model
from mnist_edge.types import DIGITS
from mnist_edge_trainer.data.splits import Digits as LabelledDigits
from mnist_edge_trainer.data.splits import load_digits
from mnist_edge_trainer.evaluation.assessment import assess, evaluate_run, is_evaluated
from mnist_edge_trainer.evaluation.records import Evaluation
from mnist_edge_trainer.evaluation.target import EvaluationTarget, load_target
from mnist_edge_trainer.training.checkpoint import RunFolder
from tests.unit.trainer.evaluation.conftest import PICTURES, Digits


def test_evaluation_has_the_scores_of_the_run_and_of_its_int8_file(small_run: Path) -> None:
    target = load_target(str(small_run), "test", None, print)
    values = assess(target).evaluation.to_dict()
    images = len(target.digits)

    assert " ".join(values) == (
        "model split dataset images accuracy accuracy_interval loss ece classes macro confusion "
        "mistakes int8"
    )
    assert (values["model"], values["split"]) == (str(small_run), "test")
    assert (values["dataset"], values["images"]) == ("folder pictures", images)
    assert " ".join(values["classes"][3]) == "label precision recall f1 support"
    assert " ".join(values["mistakes"][0]) == "index true predicted confidence"
    assert sum(map(sum, values["confusion"])) == images
    assert len(values["mistakes"]) == images - sum(values["confusion"][i][i] for i in range(10))

    int8, file = values["int8"], small_run / "mnist-edge-int8.onnx"
    assert (int8["file"], int8["bytes"]) == (file.name, file.stat().st_size)
    predicted = Model.load(str(file)).run(target.digits.images[:, 0].numpy()).argmax(axis=1)
    assert int8["accuracy"] == (predicted == target.digits.labels.numpy()).mean()
    assert " ".join(int8) == "file bytes accuracy accuracy_interval loss ece macro confusion"


@pytest.mark.usefixtures("undrawn")
def test_run_is_written_as_json_and_pictures_of_both_kinds(small_run: Path, tmp_path: Path) -> None:
    assessment = assess(load_target(str(small_run), "test", None, print))
    written = assessment.write(tmp_path / "new", svg=True)
    names = {f"{name}-test" for name in PICTURES} | {"filters"}
    pictures = {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert {path.name for path in written} == pictures | {"evaluation-test.json"}
    assert set(written) == set((tmp_path / "new").iterdir())
    values = json.loads((tmp_path / "new" / "evaluation-test.json").read_text())
    assert values == assessment.evaluation.to_dict()
    assert Evaluation.from_dict(values) == assessment.evaluation


@pytest.mark.usefixtures("undrawn")
def test_model_file_is_written_without_filters_and_svg(digits: Digits, tmp_path: Path) -> None:
    model = Model.load("mnist-edge-int8")
    part = LabelledDigits.of(digits[0][:300], digits[1][:300])
    target = EvaluationTarget("mine", model.run, "validation", part, None, "mnist", DIGITS)
    assessment = assess(target)
    assert assessment.evaluation.int8 is None
    written = {path.name for path in assessment.write(tmp_path)}
    pictures = {f"{name}-validation.png" for name in PICTURES}
    assert written == pictures | {"evaluation-validation.json"}


@pytest.mark.usefixtures("undrawn")
def test_run_is_evaluated_until_a_newer_model_is_written(small_run: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("best.pt", "mnist-edge-int8.onnx"):
        (tmp_path / name).write_bytes((small_run / name).read_bytes())
    assert not is_evaluated(run, "test")
    assessment = evaluate_run(run, "test", None, print)
    assert is_evaluated(run, "test")
    assert not is_evaluated(run, "validation")
    assert (assessment.target.name, assessment.target.folder) == (str(tmp_path), tmp_path)
    for name in ("mnist-edge-int8.onnx", "best.pt"):
        later = (tmp_path / "evaluation-test.json").stat().st_mtime + 1
        os.utime(tmp_path / name, (later, later))
        assert not is_evaluated(run, "test")
        os.utime(tmp_path / name, (later - 10, later - 10))


@pytest.mark.slow
def test_bundled_model_is_evaluated_on_all_of_mnist_with_its_pictures(
    samples: Path, tmp_path: Path
) -> None:
    assessment = assess(load_target("mnist-edge-int8", "test", samples, print))
    for path in assessment.write(tmp_path):
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 500
    values = json.loads((tmp_path / "evaluation-test.json").read_text())
    test = load_digits(samples, "test")
    predicted = Model.load("mnist-edge-int8").run(test.images[:, 0].numpy()).argmax(axis=1)
    assert values["images"] == 10_000
    assert values["accuracy"] == (predicted == test.labels.numpy()).mean()
