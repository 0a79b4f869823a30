"""The training loss: cross-entropy with labels, outlier exposure, distillation from soft labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "TrainingLoss",
    "balanced_weights",
    "class_targets",
    "cross_entropy",
    "distillation_loss",
]


@dataclass(frozen=True)
class TrainingLoss:
    """The loss of a batch, as a recipe defines it.

    Attributes:
        label_smoothing: probability spread over all classes, 0..1.
        teacher_weight: weight of the soft labels, 0..1; the labels have the rest.
        teacher_temperature: both networks' logits are divided by it.
        class_weights: of an image in the loss, by its class, float32 ``[C]``; None = 1.
    """

    label_smoothing: float
    teacher_weight: float
    teacher_temperature: float
    class_weights: Tensor | None = None

    def __call__(self, logits: Tensor, labels: Tensor, soft_labels: Tensor | None) -> Tensor:
        """Mean loss, in nats.

        Args:
            logits: float32 ``[B, C]``, or ``[M, B, C]`` of the M members of an ensemble, each of
                which is trained as if it were alone.
            labels: int64 ``[B]``, -1 for a non-digit.
            soft_labels: a teacher's log-probabilities float32 ``[B, C]``; None = no teacher. A
                non-digit's are not learnt from: the teacher may take an H for a 4.
        """
        targets = class_targets(labels, logits.shape[-1])
        weights = self._weights_of(labels)
        loss = cross_entropy(logits, targets, self.label_smoothing, weights)
        if soft_labels is None:
            return loss
        soft_labels = torch.where((labels >= 0)[:, None], soft_labels, targets.log())
        distillation = distillation_loss(logits, soft_labels, self.teacher_temperature, weights)
        return (1 - self.teacher_weight) * loss + self.teacher_weight * distillation

    def _weights_of(self, labels: Tensor) -> Tensor | None:
        """Weights float32 ``[B]`` of the images; a non-digit, which has no class, weighs 1."""
        if self.class_weights is None:
            return None
        return torch.where(labels >= 0, self.class_weights[labels.clamp(min=0)], 1.0)


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights of the classes with which each class weighs the same in the loss.

    Args:
        labels: int64 ``[N]`` of the training images, from 0.
        classes: number of classes, C.

    Returns:
        float32 ``[C]``; 1 on average over the images.
    """
    counts = labels.bincount(minlength=classes)
    present = int((counts > 0).sum())
    return (len(labels) / (present * counts.clamp(min=1))).float()


def class_targets(labels: Tensor, classes: int) -> Tensor:
    """Target probabilities: one-hot for a class; uniform for a non-digit.

    The uniform target of non-digits is outlier exposure (Hendrycks, Mazeika, Dietterich, "Deep
    anomaly detection with outlier exposure", arXiv:1812.04606).

    Args:
        labels: int64 ``[B]``, -1 for a non-digit.
        classes: number of classes, C.

    Returns:
        float32 ``[B, C]``; each row sums to 1.
    """
    targets = F.one_hot(labels.clamp(min=0), classes).float()
    return torch.where((labels >= 0)[:, None], targets, 1 / classes)


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy over images, and over the members of an ensemble.

    Args:
        logits: float32 ``[B, C]`` or ``[M, B, C]``.
        targets: probabilities float32 ``[B, C]``.
        label_smoothing: probability spread over all classes, 0..1.
        weights: of the images, float32 ``[B]``; None = 1.
    """
    targets = targets.expand_as(logits)
    losses = F.cross_entropy(
        logits.flatten(0, -2),
        targets.flatten(0, -2),
        reduction="none",
        label_smoothing=label_smoothing,
    )
    if weights is not None:
        losses = losses.view(logits.shape[:-1]) * weights
    return losses.mean()


def distillation_loss(
    logits: Tensor, soft_labels: Tensor, temperature: float, weights: Tensor | None = None
) -> Tensor:
    """Mean Kullback-Leibler divergence from softened soft labels, times the temperature squared.

    The square keeps the size of the gradient when the temperature changes (Hinton, Vinyals, Dean,
    arXiv:1503.02531).

    Args:
        logits: float32 ``[B, C]`` or ``[M, B, C]``.
        soft_labels: the teacher's log-probabilities float32 ``[B, C]``.
        temperature: divides both.
        weights: of the images, float32 ``[B]``; None = 1.
    """
    teacher = F.log_softmax(soft_labels / temperature, dim=-1).expand_as(logits)
    student = F.log_softmax(logits / temperature, dim=-1)
    divergence = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    if weights is not None:
        divergence = divergence * weights
    return divergence.mean() * temperature**2
