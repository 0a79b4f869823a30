"""Our own architectures, shaped by what onnxruntime's int8 kernels compute fast on a small CPU."""

from __future__ import annotations

from torch import nn

from mnist_edge_trainer.architectures.blocks import (
    Ensemble,
    FeatureClassifier,
    SpaceToDepth1d,
    conv_block,
)

__all__ = ["ensemble", "large", "nano", "small"]


def small(classes: int) -> nn.Module:
    """The default: five convolutions and one linear layer.

    At this size a node of the graph costs as much as its arithmetic, so there are few nodes:
    strides instead of pooling, batch norm folded away at export, no residual additions, channels
    in multiples of sixteen. Flattening 5 x 5 positions, instead of averaging them, keeps the
    positions of the strokes.
    """
    return FeatureClassifier(
        nn.Sequential(
            SpaceToDepth1d(),
            conv_block(4, 16, kernel=(5, 3)),  # 28 x 7
            conv_block(16, 16, stride=(2, 1)),  # -> 14 x 7
            conv_block(16, 32, stride=(2, 1)),  # -> 7 x 7
            conv_block(32, 32),
            conv_block(32, 32, padding=(0, 0)),  # -> 5 x 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(32 * 5 * 5, classes)),
    )


def nano(classes: int) -> nn.Module:
    """The default with one convolution less and sixteen channels: a third of the weights."""
    return FeatureClassifier(
        nn.Sequential(
            SpaceToDepth1d(),
            conv_block(4, 16, kernel=(5, 3)),  # 28 x 7
            conv_block(16, 16, stride=(2, 1)),  # -> 14 x 7
            conv_block(16, 16, stride=(2, 1)),  # -> 7 x 7
            conv_block(16, 16, padding=(0, 0)),  # -> 5 x 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(16 * 5 * 5, classes)),
    )


def large(classes: int) -> nn.Module:
    """3 x 3 convolutions at each of three resolutions, from that of the pixels down.

    The shape is VGG's (Simonyan and Zisserman, arXiv:1409.1556). It spends what the smaller ones
    save with space-to-depth, and with strides instead of pooling.
    """
    return FeatureClassifier(
        nn.Sequential(
            conv_block(1, 32),
            conv_block(32, 32),
            nn.MaxPool2d(2),  # 28 -> 14
            conv_block(32, 64),
            conv_block(64, 64),
            nn.MaxPool2d(2),  # 14 -> 7
            conv_block(64, 128),
            conv_block(128, 128),
            conv_block(128, 128, padding=(0, 0)),  # 7 -> 5
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(128 * 5 * 5, classes)),
    )


def ensemble(classes: int) -> nn.Module:
    """An ensemble of three networks with different kernels (An et al., arXiv:2008.10400).

    3 x 3 convolutions on blocks of 2 x 2 pixels, 5 x 5 convolutions on the same blocks, and the
    default's shape with more channels. Ensembles of several kernel sizes lead MNIST's tables.
    """
    small_kernels = nn.Sequential(
        nn.PixelUnshuffle(2),  # blocks of 2 x 2 pixels -> 4 channels
        conv_block(4, 32),  # 14 x 14
        conv_block(32, 32),
        conv_block(32, 48, stride=(2, 2)),  # -> 7 x 7
        conv_block(48, 64),
        conv_block(64, 64, padding=(0, 0)),  # -> 5 x 5
        conv_block(64, 96, stride=(2, 2)),  # -> 3 x 3
        nn.Flatten(),
    )
    large_kernels = nn.Sequential(
        nn.PixelUnshuffle(2),
        conv_block(4, 32, kernel=(5, 5)),  # 14 x 14
        conv_block(32, 48, kernel=(5, 5), stride=(2, 2)),  # -> 7 x 7
        conv_block(48, 48, kernel=(5, 5)),
        conv_block(48, 96, stride=(2, 2), padding=(0, 0)),  # -> 3 x 3
        nn.Flatten(),
    )
    row_blocks = nn.Sequential(
        SpaceToDepth1d(),
        conv_block(4, 32, kernel=(5, 3), stride=(2, 1)),  # 28 x 7 -> 14 x 7
        conv_block(32, 48),
        conv_block(48, 64, stride=(2, 1)),  # -> 7 x 7
        conv_block(64, 96),
        conv_block(96, 96, stride=(2, 2), padding=(0, 0)),  # -> 3 x 3
        nn.Flatten(),
    )
    return Ensemble([small_kernels, large_kernels, row_blocks], [96 * 3 * 3] * 3, classes)
