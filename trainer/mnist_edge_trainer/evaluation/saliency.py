"""What a network looks at: in a picture, by hiding parts of it; and the patterns that it looks for.

Occlusion asks nothing of a network but its answers, so that it works for an exported file too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from torch import nn

from mnist_edge_trainer.architectures.blocks import SpaceToDepth1d

__all__ = ["first_layer", "occlusion"]

Images = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]

_SIZE = 28


def occlusion(
    network: Callable[[Images], npt.NDArray[np.float32]],
    images: Images,
    labels: npt.NDArray[np.int64],
    patch: int = 5,
    stride: int = 2,
) -> Maps:
    """How much the probability of the true class drops when a part of the picture is hidden.

    A square is set to background at every place in turn, and each pixel gets the mean drop of the
    squares that cover it (Zeiler and Fergus 2014, arXiv:1311.2901). Squares reach over the border,
    so that the pixels there are covered as well.

    Args:
        network: probabilities float32 ``[N, C]`` of uint8 ``[N, 28, 28]``.
        images: uint8 ``[N, 28, 28]``, 0 = background.
        labels: ``[N]``, the true classes.
        patch: side of the square, pixels; odd, so that it has a middle.
        stride: from one place to the next, pixels; at most `patch`, or pixels would be left out.

    Returns:
        float32 ``[N, 28, 28]``, -1..1; below zero where hiding makes the true class likelier.

    Raises:
        ValueError: `patch` is even, or `stride` is not between 1 and `patch`.
    """
    if patch % 2 == 0 or not 1 <= stride <= patch:
        raise ValueError(f"patch {patch}, stride {stride}: odd, and 1 to patch")
    hidden = _squares(patch, stride)
    coverage = hidden.sum(axis=0)
    maps = np.empty((len(images), _SIZE, _SIZE), np.float32)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        # Where there is nothing to hide, nothing changes and nothing need be asked.
        squares = hidden[(hidden & (image > 0)).any(axis=(1, 2))]
        variants = np.concatenate([image[np.newaxis], np.where(squares, np.uint8(0), image)])
        likelihood = network(variants)[:, label]
        maps[index] = np.tensordot(likelihood[0] - likelihood[1:], squares, axes=1) / coverage
    return maps


def first_layer(network: nn.Module) -> Maps | None:
    """The weights that look at the picture itself: float32 ``[filters, rows, columns]``.

    They are the kernels of a first convolution, or the rows of a first linear layer as pictures of
    28 x 28; None where the network begins with neither.
    """
    in_channels = 1
    for layer in network.modules():
        if isinstance(layer, SpaceToDepth1d):
            in_channels = layer.PIXELS
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weights: Maps = layer.weight.detach().numpy()
            if isinstance(layer, nn.Conv2d):
                if layer.in_channels != in_channels:
                    return None
                rows = layer.kernel_size[0]
                return weights.transpose(0, 2, 3, 1).reshape(len(weights), rows, -1)
            is_picture = layer.in_features == _SIZE * _SIZE
            return weights.reshape(-1, _SIZE, _SIZE) if is_picture else None
    return None


def _squares(patch: int, stride: int) -> npt.NDArray[np.bool_]:
    """Every place of the square: bool ``[places, 28, 28]``; together they cover the picture."""
    pixels = np.arange(_SIZE)
    # The last pixel is a middle too, whatever the stride.
    middles = np.unique([*range(0, _SIZE, stride), _SIZE - 1])
    strips = np.abs(pixels - middles[:, np.newaxis]) <= patch // 2
    squares: npt.NDArray[np.bool_] = strips[:, np.newaxis, :, np.newaxis] & strips[:, np.newaxis]
    return squares.reshape(-1, _SIZE, _SIZE)
