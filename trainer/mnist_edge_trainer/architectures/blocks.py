"""Building blocks that several architectures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Ensemble", "FeatureClassifier", "ResidualBlock", "SpaceToDepth1d", "conv_block"]

Size2d: TypeAlias = tuple[int, int]
"""Along rows and along columns."""


def conv_block(
    inputs: int,
    outputs: int,
    kernel: Size2d = (3, 3),
    stride: Size2d = (1, 1),
    padding: Size2d | None = None,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU: one fused int8 node once exported.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: height and width, pixels; odd.
        stride: pixels.
        padding: pixels of zeros on each side; None = as many as keep the size, at a stride of 1.
    """
    padding = (kernel[0] // 2, kernel[1] // 2) if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class FeatureClassifier(nn.Module):
    """A network in two parts: images -> features -> logits.

    Args:
        features: images float32 ``[B, 1, 28, 28]`` -> features of any shape.
        classifier: features -> logits ``[B, C]``.
    """

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32 ``[B, C]`` of images float32 ``[B, 1, 28, 28]`` in 0..1."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


class SpaceToDepth1d(nn.Module):
    """Space-to-depth along the rows: four neighbouring pixels become four channels.

    With channels last, as onnxruntime computes in int8, this moves nothing in memory. Its direct
    kernels want channels in fours, and a picture has one: a first layer of the same reach takes
    less than half the time.
    """

    PIXELS = 4

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 1, 28, 28]`` -> ``[B, 4, 28, 7]``."""
        return images.reshape(-1, 28, 28 // self.PIXELS, self.PIXELS).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut (He et al., arXiv:1512.03385).

    The shortcut is the identity, or where the shape changes, a 1 x 1 convolution.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the first convolution, pixels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(inputs, outputs, stride=(stride, stride)),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        # The name is part of every checkpoint.
        self.short_cut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """``[B, inputs, H, W]`` -> ``[B, outputs, H / stride, W / stride]``."""
        return torch.relu(self.body(images) + self.short_cut(images))


class Ensemble(nn.Module):
    """Several networks side by side in one graph; its logits are the mean of the members'.

    Each member is trained on its own loss, as if it were alone, so that their errors differ. One
    linear layer over the features of all members gives the mean, so an export is one graph like
    any other: branches, a concatenation, a linear layer.

    Args:
        members: features of each, images -> ``[B, F]``.
        widths: F of each.
        classes: number of classes, C.
    """

    def __init__(self, members: Sequence[nn.Module], widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._widths = list(widths)
        self.classifier = nn.Linear(sum(widths), classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, C]``; while training ``[M, B, C]``, of each of the M members."""
        features = [member(images) for member in self.members]
        if not self.training:
            logits: Tensor = self.classifier(torch.cat(features, dim=1))
            return logits
        weights = self.classifier.weight.split(self._widths, dim=1)
        return torch.stack(
            [
                F.linear(member_features, weight * len(features), self.classifier.bias)
                for member_features, weight in zip(features, weights, strict=True)
            ]
        )
