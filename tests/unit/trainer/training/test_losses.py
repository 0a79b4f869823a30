"""The training loss, against values that numpy and scipy compute."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import entropy
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from mnist_edge_trainer.training.losses import (
    TrainingLoss,
    balanced_weights,
    class_targets,
    cross_entropy,
    distillation_loss,
)

LABELS = torch.tensor([3, -1, 0, 9, 3])


def random_logits(*shape: int) -> Tensor:
    return torch.randn(*shape, 10, generator=torch.Generator().manual_seed(0)) * 3


def log_probabilities(logits: Tensor, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = log_softmax(logits.double().numpy() / temperature, axis=-1)
    return result


def test_targets_are_one_hot_and_uniform_for_a_non_digit() -> None:
    targets = class_targets(LABELS, 10).numpy()
    assert targets[0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert np.allclose(targets[1], 0.1)
    assert np.allclose(targets.sum(axis=1), 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("members", [(), (3,)], ids=["network", "ensemble"])
def test_cross_entropy_is_the_mean_over_images_and_members(
    members: tuple[int, ...], smoothing: float
) -> None:
    logits = random_logits(*members, 5)
    targets = class_targets(LABELS, 10)
    smoothed = targets.numpy() * (1 - smoothing) + smoothing / 10
    expected = -(smoothed * log_probabilities(logits)).sum(axis=-1).mean()
    assert float(cross_entropy(logits, targets, smoothing)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("members", [(), (3,)], ids=["network", "ensemble"])
def test_distillation_is_the_divergence_of_softened_probabilities_times_temperature_squared(
    members: tuple[int, ...],
) -> None:
    logits, teacher = random_logits(*members, 5), random_logits(6)[1:]
    student = np.exp(log_probabilities(logits, 2.0))
    soft = np.broadcast_to(np.exp(log_probabilities(teacher, 2.0)), student.shape)
    expected = entropy(soft, student, axis=-1).mean() * 4
    assert float(distillation_loss(logits, teacher, 2.0)) == pytest.approx(expected, rel=1e-5)


def test_teacher_weight_divides_the_loss_between_soft_labels_and_labels() -> None:
    logits, teacher = random_logits(5), random_logits(6)[1:]
    labels = LABELS.clamp(min=0)
    of_labels = float(cross_entropy(logits, class_targets(labels, 10)))
    of_teacher = float(distillation_loss(logits, teacher, 3.0))
    loss = TrainingLoss(label_smoothing=0.0, teacher_weight=0.9, teacher_temperature=3.0)
    assert float(loss(logits, labels, None)) == pytest.approx(of_labels)
    expected = 0.1 * of_labels + 0.9 * of_teacher
    assert float(loss(logits, labels, teacher)) == pytest.approx(expected)


def test_a_teacher_that_is_sure_of_a_non_digit_is_not_followed() -> None:
    loss = TrainingLoss(label_smoothing=0.0, teacher_weight=0.9, teacher_temperature=3.0)
    non_digit, sure_of_a_four = torch.tensor([-1]), torch.full((1, 10), -12.0)
    sure_of_a_four[0, 4] = 0.0
    logits = torch.zeros(1, 10, requires_grad=True)
    loss(logits, non_digit, sure_of_a_four).backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-6
    digit = torch.tensor([4])
    loss(logits, digit, sure_of_a_four).backward()
    assert float(logits.grad[0, 4]) < -0.1


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    weights = balanced_weights(labels, 3)
    assert weights.tolist() == pytest.approx(expected.tolist())
    assert float(weights[labels].mean()) == pytest.approx(1)


@pytest.mark.parametrize("members", [(), (3,)], ids=["network", "ensemble"])
@pytest.mark.parametrize("has_teacher", [False, True])
def test_class_weights_weigh_each_image_by_its_class(
    members: tuple[int, ...], has_teacher: bool
) -> None:
    logits, teacher = random_logits(*members, 5), random_logits(6)[1:]
    soft_labels = teacher if has_teacher else None
    by_class = torch.arange(1.0, 11.0)
    weights = [4.0, 1.0, 1.0, 10.0, 4.0]  # of the classes in LABELS, and 1 of the non-digit
    loss = TrainingLoss(0.1, 0.5, 2.0, by_class)
    of_one = TrainingLoss(0.1, 0.5, 2.0)
    expected = 0.0
    for index, weight in enumerate(weights):
        one = slice(index, index + 1)
        soft = None if soft_labels is None else soft_labels[one]
        expected += weight * float(of_one(logits[..., one, :], LABELS[one], soft)) / len(weights)
    assert float(loss(logits, LABELS, soft_labels)) == pytest.approx(expected, rel=1e-5)
