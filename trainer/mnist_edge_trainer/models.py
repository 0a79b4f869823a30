"""The architectures, by name.

Every network takes float32 ``[batch, 1, 28, 28]`` in 0..1 and returns logits ``[batch, 10]``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from torch import Tensor, nn

from mnist_edge.errors import UsageError

__all__ = ["ARCHITECTURES", "DEFAULT_ARCHITECTURE", "EdgeCNN", "LeNet", "build", "parameter_count"]


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU: one fused int8 node once exported."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class EdgeCNN(nn.Module):
    """The default: four convolutions and one linear layer, shaped by what a small CPU is good at.

    At this size a node of the graph costs as much as its arithmetic, so there are few of them:
    strides instead of pooling, batch norm folded away at export, no residual additions. The
    5 x 5 stem reads one channel, where a larger kernel is nearly free; flattening 4 x 4
    positions, rather than averaging them, keeps where a stroke was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv(1, 16, kernel=5, stride=2),  # 28 -> 14
            _conv(16, 32, kernel=3, stride=2),  # 14 -> 7
            _conv(32, 48, kernel=3, stride=1),
            _conv(48, 64, kernel=3, stride=2),  # 7 -> 4
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4 * 4, 10))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998) as it is taught today: ReLU, average pooling, 61,706 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 28 -> 14
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 10 -> 5
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {"edge-cnn": EdgeCNN, "lenet": LeNet}
DEFAULT_ARCHITECTURE = "edge-cnn"


def build(name: str) -> nn.Module:
    """A freshly initialised network.

    Raises:
        UsageError: there is no architecture of that name; the message names the nearest.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"--arch {name}: no such architecture; {hint}there are: {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]()


def parameter_count(network: nn.Module) -> int:
    """Trainable weights and biases, as they stand before export."""
    return sum(parameter.numel() for parameter in network.parameters())
