"""The architectures: names, weights as in earlier releases, counts, and the ensemble."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from mnist_edge import UsageError
from mnist_edge_trainer.architectures.blocks import Ensemble, SpaceToDepth1d
from mnist_edge_trainer.architectures.registry import (
    ARCHITECTURES,
    build,
    count_macs,
    count_parameters,
)
from tests.unit.trainer.conftest import STATE_DICTS_0_7


def random_images(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_state_dicts_have_the_names_and_shapes_of_release_0_7() -> None:
    released = json.loads(STATE_DICTS_0_7.read_text(encoding="utf-8"))
    assert "committee" in released
    assert len(released) == len(ARCHITECTURES)
    for name, shapes in released.items():
        weights = build(name).state_dict()
        assert {key: list(value.shape) for key, value in weights.items()} == shapes, name


def test_unknown_architecture_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'small'"):
        build("smal")
    with pytest.raises(UsageError, match="--arch edge-cnn: no such architecture"):
        build("edge-cnn")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_have_one_column_for_each_class(name: str) -> None:
    assert build(name, 7).eval()(random_images(2)).shape == (2, 7)


def test_parameters_and_macs_are_those_counted_by_hand() -> None:
    # Two hidden layers of 256 and 128: weights are the MACs; parameters have the biases too.
    weights = 784 * 256 + 256 * 128 + 128 * 10
    network = build("mlp")
    assert count_macs(network) == weights
    assert count_parameters(network) == weights + 256 + 128 + 10
    assert network.training
    # nano's model card.
    assert count_parameters(build("nano")) == 12_010


def test_space_to_depth_puts_four_neighbours_of_a_row_into_channels() -> None:
    image = torch.arange(28 * 28).view(1, 1, 28, 28)
    channels = SpaceToDepth1d()(image)
    assert channels.shape == (1, 4, 28, 7)
    assert channels[0, :, 2, 3].tolist() == image[0, 0, 2, 12:16].tolist()


def test_ensemble_logits_are_the_mean_of_the_members() -> None:
    torch.manual_seed(0)
    ensemble = build("ensemble").eval()
    assert isinstance(ensemble, Ensemble)
    together = ensemble(random_images())
    ensemble.training = True  # the ensemble alone: batch norms keep their running statistics
    apart = ensemble(random_images())
    assert apart.shape == (3, 8, 10)
    assert torch.allclose(apart.mean(dim=0), together, atol=1e-6)
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)


def test_gradient_of_an_ensemble_member_is_that_of_its_own_loss() -> None:
    torch.manual_seed(0)
    ensemble = build("ensemble").train()
    assert isinstance(ensemble, Ensemble)
    labels = torch.arange(8)
    logits = ensemble(random_images())
    weights = list(ensemble.members[0].parameters())
    alone = torch.autograd.grad(F.cross_entropy(logits[0], labels), weights, retain_graph=True)
    losses = torch.stack([F.cross_entropy(member, labels) for member in logits]).sum()
    together = torch.autograd.grad(losses, weights)
    for gradient, expected in zip(together, alone, strict=True):
        assert torch.allclose(gradient, expected, atol=1e-7)
