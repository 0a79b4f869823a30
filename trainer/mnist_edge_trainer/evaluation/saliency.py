"""What a network reacts to: occlusion sensitivity of an image, and the filters of the first layer.

Occlusion needs nothing but predictions, so that it works for an exported file too.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import nn

from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.architectures.blocks import SpaceToDepth1d
from mnist_edge_trainer.evaluation.metrics import Labels, PredictFunction

__all__ = ["Maps", "first_layer_filters", "occlusion"]

Maps: TypeAlias = npt.NDArray[np.float32]
"""float32 ``[N, H, W]``: a saliency map for each image, or the weights of each filter."""


def occlusion(
    predict: PredictFunction,
    images: GrayImage,
    labels: Labels,
    patch: int = 5,
    stride: int = 2,
) -> Maps:
    """Computes how much the probability of the true class drops when a part of an image is covered.

    A square of background is put at every position in turn, and each pixel gets the mean drop of
    the squares that cover it (Zeiler and Fergus 2014, arXiv:1311.2901). Squares reach over the
    border, so that the pixels there are covered as well.

    Args:
        predict: the network.
        images: uint8 ``[N, 28, 28]``, 0 = background.
        labels: int64 ``[N]``, the true classes.
        patch: side of the square, pixels; odd, so that it has a centre.
        stride: distance of neighbouring positions, pixels; at most `patch`, or pixels would be
            left out.

    Returns:
        float32 ``[N, 28, 28]``, -1..1; below zero where covering makes the true class more likely.

    Raises:
        ValueError: `patch` is even, or `stride` is not between 1 and `patch`.
    """
    if patch % 2 == 0 or not 1 <= stride <= patch:
        raise ValueError(f"patch {patch}, stride {stride}: odd, and 1 to patch")
    patches = _patch_masks(patch, stride)
    coverage = patches.sum(axis=0)
    maps = np.empty((len(images), SIDE, SIDE), np.float32)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        # A patch on background alone changes nothing: the network need not run for it.
        covering = patches[(patches & (image > 0)).any(axis=(1, 2))]
        variants = np.concatenate([image[np.newaxis], np.where(covering, np.uint8(0), image)])
        probability = predict(variants)[:, label]
        drops = probability[0] - probability[1:]
        maps[index] = np.tensordot(drops, covering, axes=1) / coverage
    return maps


def first_layer_filters(network: nn.Module) -> Maps | None:
    """Returns the weights that are applied to the pixels themselves.

    Returns:
        float32 ``[filters, H, W]``: the kernels of a first convolution, or the rows of a first
        linear layer as images of 28 x 28; None where the network begins with neither.
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
                # Channels of a space-to-depth layer are pixels side by side.
                height = layer.kernel_size[0]
                return weights.transpose(0, 2, 3, 1).reshape(len(weights), height, -1)
            takes_pixels = layer.in_features == SIDE * SIDE
            return weights.reshape(-1, SIDE, SIDE) if takes_pixels else None
    return None


def _patch_masks(patch: int, stride: int) -> npt.NDArray[np.bool_]:
    """Makes a mask for every position of the square: bool ``[positions, 28, 28]``."""
    pixels = np.arange(SIDE)
    # The last pixel is a centre too, whatever the stride, so that every pixel is covered.
    centres = np.unique([*range(0, SIDE, stride), SIDE - 1])
    strips = np.abs(pixels - centres[:, np.newaxis]) <= patch // 2
    masks: npt.NDArray[np.bool_] = strips[:, np.newaxis, :, np.newaxis] & strips[:, np.newaxis]
    return masks.reshape(-1, SIDE, SIDE)
