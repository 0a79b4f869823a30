"""The architectures that are ours."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mnist_edge_trainer.architectures.registry import Ensemble, build


def images(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_a_committee_answers_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    committee = build("committee").eval()
    assert isinstance(committee, Ensemble)
    together = committee(images())
    committee.training = True  # of the committee alone: its batch norms keep to what they know
    apart = committee(images())
    assert apart.shape == (3, 8, 10)
    assert torch.allclose(apart.mean(dim=0), together, atol=1e-6)
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)


def test_a_member_of_a_committee_learns_as_if_it_were_alone() -> None:
    """Its gradient is that of its own loss, whatever the others answer."""
    torch.manual_seed(0)
    committee = build("committee").train()
    labels = torch.arange(8)
    logits = committee(images())
    own = list(committee.members[0].parameters())
    alone = torch.autograd.grad(F.cross_entropy(logits[0], labels), own, retain_graph=True)
    losses = sum(F.cross_entropy(member, labels) for member in logits)
    together = torch.autograd.grad(losses, own)
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(one, other, atol=1e-7)
