"""Soft labels are of the very images that the student sees, are cached, and are learned."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mnist_edge import ModelError, UsageError
from mnist_edge.model import Model, bundled_models
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.augment import Augmentation
from mnist_edge_trainer.training.checkpoint import RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.distillation import (
    SoftLabelCache,
    load_teacher,
    released_teachers,
)
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.training_data import TrainingData
from tests.conftest import ROOT
from tests.conftest import Digits as DigitArrays
from tests.unit.trainer.conftest import SILENT, VALIDATION

DIGITS = tuple("0123456789")
AUGMENTATION = Augmentation()
TEACHER = "mnist-edge-ensemble-int8"


@pytest.fixture(scope="module")
def teacher() -> Model:
    return load_teacher("mnist-edge-int8", DIGITS)


def soft_labels(data: TrainingData, teacher: Model, cache: Path) -> SoftLabelCache:
    photos = data.validation
    return SoftLabelCache(data.training, photos, 100, teacher, AUGMENTATION, views=3, cache=cache)


def test_soft_labels_are_the_teachers_predictions_of_the_images_shown(
    mnist_subset: TrainingData, teacher: Model, tmp_path: Path
) -> None:
    view = soft_labels(mnist_subset, teacher, tmp_path).view(0)
    assert len(view.digits) == len(view.log_probabilities) == 2_660
    again = teacher.run(view.digits.images[:, 0].numpy())
    assert np.abs(view.log_probabilities.exp().numpy() - again).max() < 1e-3
    # They are still digits, and distorted.
    right = (view.log_probabilities.argmax(dim=1) == view.digits.labels).float().mean()
    assert 0.97 < right < 1
    assert not torch.equal(view.digits.images[:2_560], mnist_subset.training.images)


def test_soft_labels_are_the_same_whatever_the_number_of_threads(
    mnist_subset: TrainingData, teacher: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        views.append(soft_labels(mnist_subset, teacher, tmp_path / threads).view(0))
    for view in views[1:]:
        assert torch.equal(view.digits.images, views[0].digits.images)
        assert torch.equal(view.log_probabilities, views[0].log_probabilities)


def test_views_are_cached_repaired_and_differ(
    mnist_subset: TrainingData,
    teacher: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [soft_labels(mnist_subset, teacher, tmp_path).view(number) for number in (0, 1)]
    assert not torch.equal(made[0].digits.images, made[1].digits.images)
    first, _ = sorted(tmp_path.iterdir(), key=lambda path: path.name.rpartition("-")[2])
    first.write_bytes(first.read_bytes()[:1_000])
    repaired = soft_labels(mnist_subset, teacher, tmp_path).view(0)
    monkeypatch.setattr(Model, "run", None)  # the teacher is not asked again
    for number, expected in enumerate(made):
        cached = soft_labels(mnist_subset, teacher, tmp_path).view(number)
        assert torch.equal(cached.digits.images, expected.digits.images)
        assert torch.equal(cached.digits.labels, expected.digits.labels)
        assert torch.allclose(cached.log_probabilities, expected.log_probabilities, atol=1e-2)
        if number == 0:
            assert torch.equal(cached.log_probabilities, repaired.log_probabilities)


def test_student_learns_from_the_teacher_what_the_labels_do_not_show(
    mnist_subset: TrainingData, teacher: Model, tmp_path: Path
) -> None:
    training = mnist_subset.training
    mislabelled = Digits(training.images, training.labels[torch.randperm(len(training))])
    config = TrainConfig(
        epochs=5, val_split=VALIDATION, photos=0, teacher=teacher.name, distill_views=3
    )
    cache = SoftLabelCache(
        mislabelled, mislabelled[:0], 0, teacher, AUGMENTATION, 3, tmp_path / "cache"
    )
    data = TrainingData(mislabelled, mnist_subset.validation, soft_labels=cache)
    accuracies = [
        train(
            replace(config, teacher_weight=weight),
            data,
            RunFolder(tmp_path / str(weight)),
            device=torch.device("cpu"),
            callback=SILENT,
        ).best.val_accuracy
        for weight in (1.0, 0.0)
    ]
    assert accuracies[0] > 0.9
    assert accuracies[1] < 0.3


def test_photographs_of_non_digits_get_soft_labels_too(
    mnist_subset: TrainingData, teacher: Model, tmp_path: Path
) -> None:
    training = mnist_subset.training
    blots = Digits(training.images[:50].flip(2, 3), torch.full((50,), -1))
    view = SoftLabelCache(training[:50], blots, 50, teacher, None, 1, tmp_path).view(0)
    assert (view.digits.labels[50:] == -1).all()
    assert torch.equal(view.digits.images[:50], training.images[:50])


def test_teacher_of_other_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="--teacher mnist-edge-int8: its classes are 0, 1, 2"):
        load_teacher("mnist-edge-int8", ("cat", "dog"))


@pytest.mark.parametrize("name", [TEACHER, "mnist-edge-committee-int8"])
def test_released_teacher_is_found_under_its_names(name: str) -> None:
    model = load_teacher(name, DIGITS)
    assert model.name == TEACHER
    # The digest in release 0.7.0, where it was a bundled model.
    assert model.sha256 == "d1f67ecf68c3f77c86c3eb557131cc0f91cb6c7e73cf68c4a18180f3c11d5a48"


def test_released_teacher_is_not_a_bundled_model() -> None:
    assert list(released_teachers()) == [TEACHER]
    assert TEACHER not in bundled_models()


def test_released_teacher_predicts_the_first_test_images(test_digits: DigitArrays) -> None:
    images, labels = test_digits
    probabilities = load_teacher(TEACHER, DIGITS).run(images[:1_000])
    assert (probabilities.argmax(axis=1) == labels[:1_000]).mean() >= 0.99
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.slow
def test_accuracy_of_the_released_teacher_is_the_one_in_its_file(test_digits: DigitArrays) -> None:
    images, labels = test_digits
    model = load_teacher(TEACHER, DIGITS)
    accuracy = (model.run(images).argmax(axis=1) == labels).mean()
    # Other processors round int8 sums otherwise in places: up to two predictions may differ.
    assert abs(accuracy - float(model.metadata["test_accuracy"])) <= 0.0002


def test_released_teacher_is_complete_and_clean_onnx() -> None:
    teacher = load_teacher(TEACHER, DIGITS)
    assert set(teacher.metadata) == set(Model.load().metadata)
    model = onnx.load_from_string(teacher.content)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_teacher_may_be_a_path() -> None:
    path = ROOT / "models" / "mnist-edge-nano-int8.onnx"
    assert load_teacher(str(path), DIGITS).name == str(path)
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such model file"):
        load_teacher("nowhere.onnx", DIGITS)


def test_tampered_teacher_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = Path(str(released_teachers()[TEACHER]))
    folder = tmp_path / "teachers"
    shutil.copytree(released.parent, folder)
    content = bytearray(released.read_bytes())
    content[len(content) // 2] ^= 1
    (folder / released.name).write_bytes(content)
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match="not the released file"):
        load_teacher(TEACHER, DIGITS)
