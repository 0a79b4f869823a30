"""The architectures, by name.

Every network takes float32 ``[batch, 1, 28, 28]`` in 0..1 and returns logits ``[batch, classes]``.
The last linear layer of each gives the logits: export folds the temperature into it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mnist_edge.errors import UsageError
from mnist_edge_trainer.aliases import current_name
from mnist_edge_trainer.architectures import classic, edge

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_ARCHITECTURE",
    "Architecture",
    "build",
    "count_macs",
    "count_parameters",
]


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        make: builds one, freshly initialised, for a number of classes.
        summary: a few words that describe it.
    """

    make: Callable[[int], nn.Module]
    summary: str


ARCHITECTURES: dict[str, Architecture] = {
    "small": Architecture(edge.small, "ours: strided convolutions, few nodes"),
    "nano": Architecture(edge.nano, "ours: sixteen channels throughout"),
    "large": Architecture(edge.large, "ours: every pixel, 3 x 3, 32 to 128 channels"),
    "ensemble": Architecture(edge.ensemble, "ours: three networks in one graph"),
    "mlp": Architecture(classic.mlp, "feed-forward, 256 and 128 hidden"),
    "lenet": Architecture(classic.lenet, "LeNet-5 with ReLU and average pooling"),
    "keras-cnn": Architecture(classic.keras_cnn, "conv 32, 64, 64, dense 64, dropout 0.5"),
    "dropout-cnn": Architecture(classic.dropout_cnn, "conv 32, 64, max pooling, dropout"),
    "vgg": Architecture(classic.vgg, "pairs of 3 x 3, 16 to 64 channels"),
    "resnet": Architecture(classic.resnet, "ResNet-8, 16 to 64 channels"),
}
DEFAULT_ARCHITECTURE = "small"


def build(name: str, classes: int = 10) -> nn.Module:
    """Builds a freshly initialised network.

    Args:
        name: one of `ARCHITECTURES`, or its name in an earlier release.
        classes: number of logits.

    Raises:
        UsageError: there is no architecture of that name; the message names the nearest.
    """
    architecture = ARCHITECTURES.get(current_name(name))
    if architecture is None:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"--arch {name}: no such architecture; {hint}choose {', '.join(ARCHITECTURES)}"
        )
    return architecture.make(classes)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable weights and biases, before export folds batch norm away."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates (MACs) of convolutions and linear layers for one image."""
    was_training = network.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 1, 28, 28))
    network.train(was_training)
    return int(counter.get_total_flops()) // 2
