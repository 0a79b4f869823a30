"""What a teacher says is of the very pictures that the student is shown, and is what it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_edge import UsageError
from mnist_edge.model import Model
from mnist_edge_trainer.data.splits import Digits, load_digits, split_training
from mnist_edge_trainer.training.augment import Augmentation
from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.distillation import SoftLabelCache, load_teacher
from mnist_edge_trainer.training.loop import StepReport, train

DIGITS = tuple("0123456789")
AUGMENTATION = Augmentation()


class Silent:
    def on_step(self, report: StepReport) -> None: ...
    def on_epoch(self, record: EpochRecord, is_best: bool) -> None: ...


@pytest.fixture(scope="module")
def parts() -> tuple[Digits, Digits]:
    """2,560 real images to train on and 1,000 to validate with."""
    from tests.conftest import SAMPLES

    training, validation = split_training(load_digits(SAMPLES, "train"), 1_000)
    return training[:2_560], validation


@pytest.fixture(scope="module")
def teacher() -> Model:
    return load_teacher("mnist-edge-int8", DIGITS)


def lessons(parts: tuple[Digits, Digits], teacher: Model, cache: Path) -> SoftLabelCache:
    training, validation = parts
    return SoftLabelCache(training, validation, 100, teacher, AUGMENTATION, count=3, cache=cache)


def test_the_answers_are_to_the_pictures_shown(
    parts: tuple[Digits, Digits], teacher: Model, tmp_path: Path
) -> None:
    lesson = lessons(parts, teacher, tmp_path).lesson(0)
    assert len(lesson.digits) == len(lesson.answers) == 2_660
    again = teacher.run(lesson.digits.images[:, 0].numpy())
    assert np.abs(lesson.answers.exp().numpy() - again).max() < 1e-3
    # They are digits still, and distorted ones.
    right = (lesson.answers.argmax(dim=1) == lesson.digits.labels).float().mean()
    assert 0.97 < right < 1
    assert not torch.equal(lesson.digits.images[:2_560], parts[0].images)


def test_lessons_are_kept_and_each_is_another(
    parts: tuple[Digits, Digits],
    teacher: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [lessons(parts, teacher, tmp_path).lesson(number) for number in (0, 1)]
    assert not torch.equal(made[0].digits.images, made[1].digits.images)
    one, _ = sorted(tmp_path.iterdir(), key=lambda path: path.name.rpartition("-")[2])
    one.write_bytes(one.read_bytes()[:1_000])
    repaired = lessons(parts, teacher, tmp_path).lesson(0)
    monkeypatch.setattr(Model, "run", None)  # what is kept is not asked for again
    for number, expected in enumerate(made):
        kept = lessons(parts, teacher, tmp_path).lesson(number)
        assert torch.equal(kept.digits.images, expected.digits.images)
        assert torch.equal(kept.digits.labels, expected.digits.labels)
        assert torch.allclose(kept.answers, expected.answers, atol=1e-2)
    assert torch.equal(repaired.answers, lessons(parts, teacher, tmp_path).lesson(0).answers)


def test_a_student_learns_what_the_teacher_knows_and_the_labels_do_not(
    parts: tuple[Digits, Digits], teacher: Model, tmp_path: Path
) -> None:
    training, validation = parts
    mislabelled = Digits(training.images, training.labels[torch.randperm(len(training))])
    config = TrainConfig(epochs=5, val_split=1_000, photos=0, teacher=teacher.name, lessons=3)
    accuracies = [
        train(
            replace(config, teacher_weight=weight),
            mislabelled,
            validation,
            RunFolder(tmp_path / str(weight)),
            device=torch.device("cpu"),
            callback=Silent(),
            lessons=SoftLabelCache(
                mislabelled, mislabelled[:0], 0, teacher, AUGMENTATION, 3, tmp_path / "cache"
            ),
        ).best.val_accuracy
        for weight in (1.0, 0.0)
    ]
    assert accuracies[0] > 0.9
    assert accuracies[1] < 0.3


def test_photographs_that_show_no_digit_are_taught_too(
    parts: tuple[Digits, Digits], teacher: Model, tmp_path: Path
) -> None:
    blots = Digits(parts[0].images[:50].flip(2, 3), torch.full((50,), -1))
    made = SoftLabelCache(parts[0][:50], blots, 50, teacher, None, 1, tmp_path).lesson(0)
    assert (made.digits.labels[50:] == -1).all()
    assert torch.equal(made.digits.images[:50], parts[0].images[:50])


def test_a_teacher_of_other_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="--teacher mnist-edge-int8: it tells 0, 1, 2"):
        load_teacher("mnist-edge-int8", ("cat", "dog"))
