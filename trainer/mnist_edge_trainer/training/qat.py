"""Quantization-aware training: each step computes with the weights that the int8 file will hold.

Gradients are taken at the rounded weights and applied to the exact ones, as if rounding were the
identity (the straight-through estimator: Jacob et al., arXiv:1712.05877, section 3; Bengio et al.,
arXiv:1308.3432). Batch norm need not be folded in first: it scales each output channel as a whole,
and each channel has its own grid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["fake_quantize", "fake_quantized_weights"]

_LEVELS = 64
"""Steps on each side of zero: the part of int8 that onnxruntime's quantizer uses in 7 bits."""


def fake_quantize(weights: Tensor) -> Tensor:
    """Rounds weights to the int8 grid of each output channel, symmetric about zero.

    Args:
        weights: float32, output channels first.

    Returns:
        the nearest weights on the grid, of the same shape.
    """
    largest = weights.abs().amax(dim=tuple(range(1, weights.dim())), keepdim=True)
    step = (largest / _LEVELS).clamp(min=torch.finfo(weights.dtype).tiny)
    return (weights / step).round() * step


@contextlib.contextmanager
def fake_quantized_weights(network: nn.Module) -> Iterator[None]:
    """Rounds the weights of every convolution and linear layer within the block, in place."""
    weights = [
        module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    exact = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(fake_quantize(weight))
        yield
    finally:
        with torch.no_grad():
            for weight, original in zip(weights, exact, strict=True):
                weight.copy_(original)
