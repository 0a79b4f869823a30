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

__all__ = ["LEVELS", "fake_quantize", "fake_quantized_weights", "quantize_weights"]

LEVELS = {8: 64, 4: 7}
"""Steps on each side of zero, by a weight's bits. Of 8 bits, onnxruntime's quantizer uses 7."""


def fake_quantize(weights: Tensor, bits: int = 8) -> Tensor:
    """Rounds weights to the grid of each output channel, symmetric about zero.

    Args:
        weights: float32, output channels first.
        bits: of a weight, one of `LEVELS`.

    Returns:
        the nearest weights on the grid, of the same shape.
    """
    largest = weights.abs().amax(dim=tuple(range(1, weights.dim())), keepdim=True)
    step = (largest / LEVELS[bits]).clamp(min=torch.finfo(weights.dtype).tiny)
    return (weights / step).round() * step


@contextlib.contextmanager
def fake_quantized_weights(network: nn.Module, bits: int = 8) -> Iterator[None]:
    """Rounds the weights of every convolution and linear layer within the block, in place."""
    weights = _weights(network)
    exact = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(fake_quantize(weight, bits))
        yield
    finally:
        with torch.no_grad():
            for weight, original in zip(weights, exact, strict=True):
                weight.copy_(original)


@torch.no_grad()
def quantize_weights(network: nn.Module, bits: int) -> None:
    """Rounds the weights of every convolution and linear layer for good."""
    for weight in _weights(network):
        weight.copy_(fake_quantize(weight, bits))


def _weights(network: nn.Module) -> list[Tensor]:
    return [
        module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
