"""Weights rounded while training are those that the int8 file holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from mnist_edge.errors import UsageError
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.export.export import to_onnx
from mnist_edge_trainer.export.quantize import quantize
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.qat import (
    fake_quantize,
    fake_quantized_weights,
    quantize_weights,
)
from tests.conftest import Digits


def stored_weights(model: onnx.ModelProto) -> list[npt.NDArray[np.float32]]:
    """Integers times scales, layer by layer."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    dequantized = {
        node.output[0]: constants[node.input[0]].astype(np.float32)
        * constants[node.input[1]].reshape(-1, *[1] * (constants[node.input[0]].ndim - 1))
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in constants
    }
    return [
        dequantized[node.input[1]] for node in model.graph.node if node.op_type in ("Conv", "Gemm")
    ]


@pytest.mark.parametrize(("bits", "levels"), [(8, 64), (4, 7)])
def test_grid_is_that_of_the_exported_file(bits: int, levels: int, train_digits: Digits) -> None:
    """Batch norm, folded in at export, scales both the weights and the grid."""
    torch.manual_seed(0)
    network = build("nano").eval()
    if bits < 8:
        quantize_weights(network, bits)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    gains = []
    for norm in norms:
        assert norm.running_var is not None
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        gains.append(norm.weight / torch.sqrt(norm.running_var + norm.eps))
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    gains.append(torch.ones(len(layers[-1].weight)))  # no batch norm after the linear layer
    model = quantize(to_onnx(network), train_digits[0][:100, None], bits)
    file = stored_weights(model)
    assert len(file) == len(layers) == 5
    for layer, gain, stored in zip(layers, gains, file, strict=True):
        expected = fake_quantize(layer.weight.detach(), bits) * gain.detach().reshape(
            -1, *[1] * (stored.ndim - 1)
        )
        step = np.abs(stored).max() / levels
        # A weight just between two steps may fall to either.
        assert np.mean(np.abs(expected.numpy() - stored) > step / 10) < 0.002
    whole_numbers = [
        numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name.endswith(".wq")
    ]
    assert {int(np.abs(numbers).max()) for numbers in whole_numbers} == {levels}


def test_weights_are_restored_and_gradients_are_of_the_rounded_ones() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    exact = layer.weight.detach().clone()
    inputs = torch.randn(4, 5)
    with fake_quantized_weights(layer):
        assert torch.equal(layer.weight, fake_quantize(exact))
        assert not torch.equal(layer.weight, exact)
        (layer(inputs) ** 2).sum().backward()
    assert torch.equal(layer.weight, exact)
    by_hand = 2 * (inputs @ fake_quantize(exact).T + layer.bias).T @ inputs
    assert layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad, by_hand, atol=1e-5)
    with pytest.raises(KeyError), fake_quantized_weights(layer):
        raise KeyError
    assert torch.equal(layer.weight, exact)


def test_channel_of_zeros_stays_zero() -> None:
    assert torch.equal(fake_quantize(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_checkpoint_with_four_bits_has_the_weights_of_its_file() -> None:
    torch.manual_seed(0)
    config = TrainConfig(arch="nano", quantization_aware=True, weight_bits=4)
    exact = build("nano").state_dict()
    network = Checkpoint(config, 1, 2.3, 0.1, MNIST, exact).network()
    for name, weights in network.state_dict().items():
        if weights.dim() > 1:
            assert torch.equal(weights, fake_quantize(exact[name], bits=4))
            assert all(len(channel.unique()) <= 15 for channel in weights)
        else:
            assert torch.equal(weights, exact[name])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"weight_bits": 3, "quantization_aware": True}, "must be one of 4, 8"),
        ({"weight_bits": 4}, "needs quantization_aware = true"),
    ],
)
def test_other_numbers_of_bits_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainConfig.from_dict(recipe)
