"""The architectures, by name.

Every network takes float32 ``[batch, 1, 28, 28]`` in 0..1 and returns logits ``[batch, classes]``.
The last linear layer of each gives the logits: that is where export puts the temperature.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mnist_edge.errors import UsageError

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_ARCHITECTURE",
    "Architecture",
    "Ensemble",
    "SpaceToDepth1d",
    "build",
    "count_macs",
    "count_parameters",
]


_Sides = tuple[int, int]
"""Along rows and along columns."""


def _conv(
    inputs: int,
    outputs: int,
    kernel: _Sides = (3, 3),
    stride: _Sides = (1, 1),
    padding: _Sides | None = None,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU: one fused int8 node once exported.

    Padded, unless it is said how, so that only the stride makes the picture smaller.
    """
    padding = (kernel[0] // 2, kernel[1] // 2) if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Network(nn.Module):
    """Features, then a classifier of them."""

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


class Ensemble(nn.Module):
    """Several networks side by side in one graph; its logits are the mean of theirs.

    Each is trained on a loss of its own, as if it were alone, so that they err differently. One
    linear layer over the features of all gives that mean, so an export is one graph like any
    other: branches, a concatenation, a linear layer.

    Args:
        members: features of each, images -> ``[B, F]``.
        widths: F of each.
        classes: how many there are.
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
                F.linear(own, weight * len(features), self.classifier.bias)
                for own, weight in zip(features, weights, strict=True)
            ]
        )


class SpaceToDepth1d(nn.Module):
    """Pixels beside one another become the channels of one position: ``[B, 4, 28, 7]``.

    With channels last, as onnxruntime computes in int8, it moves nothing in memory. Its direct
    kernels want channels in fours, and a picture has one: a first layer of the same reach takes
    less than half the time.
    """

    PIXELS = 4

    def forward(self, images: Tensor) -> Tensor:
        return images.reshape(-1, 28, 28 // self.PIXELS, self.PIXELS).permute(0, 3, 1, 2)


def small(classes: int) -> nn.Module:
    """The default: five convolutions and one linear layer, shaped by what a small CPU is good at.

    At this size a node of the graph costs as much as its arithmetic, so there are few of them:
    strides instead of pooling, batch norm folded away at export, no residual additions, channels
    in multiples of sixteen. Flattening 5 x 5 positions, rather than averaging them, keeps where a
    stroke was.
    """
    return _Network(
        nn.Sequential(
            SpaceToDepth1d(),
            _conv(4, 16, kernel=(5, 3)),  # 28 x 7
            _conv(16, 16, stride=(2, 1)),  # -> 14 x 7
            _conv(16, 32, stride=(2, 1)),  # -> 7 x 7
            _conv(32, 32),
            _conv(32, 32, padding=(0, 0)),  # -> 5 x 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(32 * 5 * 5, classes)),
    )


def nano(classes: int) -> nn.Module:
    """The default in miniature: one layer less, sixteen channels throughout, a third of it all."""
    return _Network(
        nn.Sequential(
            SpaceToDepth1d(),
            _conv(4, 16, kernel=(5, 3)),  # 28 x 7
            _conv(16, 16, stride=(2, 1)),  # -> 14 x 7
            _conv(16, 16, stride=(2, 1)),  # -> 7 x 7
            _conv(16, 16, padding=(0, 0)),  # -> 5 x 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(16 * 5 * 5, classes)),
    )


def large(classes: int) -> nn.Module:
    """Every pixel its own position, 3 x 3 convolutions at each of three resolutions.

    The shape is VGG's (Simonyan and Zisserman, arXiv:1409.1556). What the smaller ones save by
    taking pixels together at once, and by strides in place of pooling, is spent here.
    """
    return _Network(
        nn.Sequential(
            _conv(1, 32),
            _conv(32, 32),
            nn.MaxPool2d(2),  # 28 -> 14
            _conv(32, 64),
            _conv(64, 64),
            nn.MaxPool2d(2),  # 14 -> 7
            _conv(64, 128),
            _conv(128, 128),
            _conv(128, 128, padding=(0, 0)),  # 7 -> 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(128 * 5 * 5, classes)),
    )


class _Quarters(nn.Module):
    """Blocks of 2 x 2 pixels become the channels of one position: ``[B, 4, 14, 14]``."""

    def forward(self, images: Tensor) -> Tensor:
        return F.pixel_unshuffle(images, 2)


def ensemble(classes: int) -> nn.Module:
    """Three networks that look at the picture differently (An et al., arXiv:2008.10400).

    3 x 3 convolutions on blocks of 2 x 2 pixels, 5 x 5 ones on the same, and the default's rows of
    four, wider. Committees of kernels of several sizes are what leads MNIST's tables.
    """
    blocks = nn.Sequential(
        _Quarters(),
        _conv(4, 32),  # 14 x 14
        _conv(32, 32),
        _conv(32, 48, stride=(2, 2)),  # -> 7 x 7
        _conv(48, 64),
        _conv(64, 64, padding=(0, 0)),  # -> 5 x 5
        _conv(64, 96, stride=(2, 2)),  # -> 3 x 3
        nn.Flatten(),
    )
    wide_blocks = nn.Sequential(
        _Quarters(),
        _conv(4, 32, kernel=(5, 5)),
        _conv(32, 48, kernel=(5, 5), stride=(2, 2)),
        _conv(48, 48, kernel=(5, 5)),
        _conv(48, 96, stride=(2, 2), padding=(0, 0)),
        nn.Flatten(),
    )
    rows = nn.Sequential(
        SpaceToDepth1d(),
        _conv(4, 32, kernel=(5, 3), stride=(2, 1)),  # 28 x 7 -> 14 x 7
        _conv(32, 48),
        _conv(48, 64, stride=(2, 1)),
        _conv(64, 96),
        _conv(96, 96, stride=(2, 2), padding=(0, 0)),
        nn.Flatten(),
    )
    return Ensemble([blocks, wide_blocks, rows], [96 * 3 * 3] * 3, classes)


def edge_cnn(classes: int) -> nn.Module:
    """The default until 0.4: two thirds more weights, and a stem that reads one channel."""
    return _Network(
        nn.Sequential(
            _conv(1, 16, kernel=(5, 5), stride=(2, 2)),  # 28 -> 14
            _conv(16, 32, stride=(2, 2)),  # 14 -> 7
            _conv(32, 48),
            _conv(48, 64, stride=(2, 2)),  # 7 -> 4
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(64 * 4 * 4, classes)),
    )


def mlp(classes: int) -> nn.Module:
    """A feed-forward net: two hidden layers, no idea of what is beside what."""
    return _Network(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(256, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
        ),
        nn.Linear(128, classes),
    )


def lenet(classes: int) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998) as it is taught today: ReLU, average pooling."""
    return _Network(
        nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 28 -> 14
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 10 -> 5
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, classes),
        ),
    )


def keras_cnn(classes: int) -> nn.Module:
    """Three convolutions without padding, two poolings, dropout: the first net of Keras courses."""
    return _Network(
        nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 26 -> 13
            nn.Conv2d(32, 64, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 11 -> 5
            nn.Conv2d(64, 64, kernel_size=3),  # 5 -> 3
            nn.ReLU(inplace=True),
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 3 * 3, 64),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(64, classes),
        ),
    )


def dropout_cnn(classes: int) -> nn.Module:
    """Two convolutions, max pooling, and dropout before each linear layer."""
    return _Network(
        nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 28 -> 14
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 14 -> 7
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(64 * 7 * 7, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        ),
    )


def vgg(classes: int) -> nn.Module:
    """Pairs of 3 x 3 convolutions between poolings (Simonyan and Zisserman, arXiv:1409.1556).

    Three of the five stages, a quarter of the width, and batch norm, which the paper was too
    early for.
    """
    stages = [
        layer
        for inputs, outputs in ((1, 16), (16, 32), (32, 64))
        for layer in (_conv(inputs, outputs), _conv(outputs, outputs), nn.MaxPool2d(2))
    ]
    return _Network(
        nn.Sequential(*stages),  # 28 -> 14 -> 7 -> 3
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 3 * 3, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        ),
    )


class _Residual(nn.Module):
    """Two convolutions beside a short cut: nothing, or where the shape changes, one of 1 x 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inputs, outputs, stride=(stride, stride)),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short_cut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.body(images) + self.short_cut(images))


def resnet(classes: int) -> nn.Module:
    """The smallest of the CIFAR family (He et al., arXiv:1512.03385, section 4.2): 6n + 2 layers.

    n = 1: one block for each of 16, 32 and 64 channels, then the average over all positions.
    """
    return _Network(
        nn.Sequential(
            _conv(1, 16),
            _Residual(16, 16, stride=1),
            _Residual(16, 32, stride=2),  # 28 -> 14
            _Residual(32, 64, stride=2),  # 14 -> 7
            nn.AvgPool2d(7),
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(64, classes)),
    )


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        make: builds one, freshly initialised, for so many classes.
        summary: what it is, in a few words.
    """

    make: Callable[[int], nn.Module]
    summary: str


ARCHITECTURES: dict[str, Architecture] = {
    "small": Architecture(small, "ours: strided convolutions, few nodes"),
    "nano": Architecture(nano, "ours: sixteen channels throughout"),
    "large": Architecture(large, "ours: every pixel, 3 x 3, 32 to 128 channels"),
    "committee": Architecture(ensemble, "ours: three networks in one graph"),
    "edge-cnn": Architecture(edge_cnn, "ours until 0.4: a stem of one channel"),
    "mlp": Architecture(mlp, "feed-forward, 256 and 128 hidden"),
    "lenet": Architecture(lenet, "LeNet-5 with ReLU and average pooling"),
    "keras-cnn": Architecture(keras_cnn, "conv 32, 64, 64, dense 64, dropout 0.5"),
    "dropout-cnn": Architecture(dropout_cnn, "conv 32, 64, max pooling, dropout"),
    "vgg": Architecture(vgg, "pairs of 3 x 3, 16 to 64 channels"),
    "resnet": Architecture(resnet, "ResNet-8, 16 to 64 channels"),
}
DEFAULT_ARCHITECTURE = "small"


def build(name: str, classes: int = 10) -> nn.Module:
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
    return ARCHITECTURES[name].make(classes)


def count_parameters(network: nn.Module) -> int:
    """Trainable weights and biases, as they stand before export."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates for one picture, of convolutions and linear layers (MACs)."""
    was_training = network.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 1, 28, 28))
    network.train(was_training)
    return int(counter.get_total_flops()) // 2
