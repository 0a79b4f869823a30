"""Augmentation moves pixels, within its bounds."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from mnist_edge_trainer.data.splits import load_digits
from mnist_edge_trainer.training.augment import Augmentation, to_unit_range
from tests.conftest import SAMPLES

NONE = Augmentation(rotation=0, scale=0, shear=0, shift=0, elastic=0)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_unit_range(load_digits(SAMPLES, "train").images[:64])


def test_distortions_of_zero_change_nothing(images: torch.Tensor) -> None:
    torch.testing.assert_close(NONE(images), images, atol=1e-5, rtol=0)


def test_each_image_of_a_batch_gets_its_own_distortion(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    same = images[:1].expand(16, -1, -1, -1).contiguous()
    distorted = Augmentation()(same)
    assert distorted.shape == same.shape
    assert distorted.min() >= 0
    assert distorted.max() <= 1 + 1e-6
    assert len({tuple(image.flatten().tolist()) for image in distorted}) == 16


@pytest.mark.parametrize(
    "kind", [f.name for f in fields(Augmentation) if f.name != "elastic_nodes"]
)
def test_each_kind_of_distortion_changes_the_image(images: torch.Tensor, kind: str) -> None:
    torch.manual_seed(0)
    only = {field.name: 0.0 for field in fields(Augmentation) if field.name != "elastic_nodes"}
    distorted = Augmentation(**only | {kind: getattr(Augmentation(), kind)})(images)
    assert (distorted - images).abs().mean() > 0.005


def test_shift_is_in_pixels_and_bounded() -> None:
    torch.manual_seed(0)
    centre = torch.zeros(200, 1, 28, 28)
    centre[:, :, 13:15, 13:15] = 1
    moved = Augmentation(rotation=0, scale=0, shear=0, shift=2.0, elastic=0)(centre)
    columns = torch.arange(28, dtype=torch.float32)
    x = (moved.sum(dim=(1, 2)) * columns).sum(dim=1) / moved.sum(dim=(1, 2, 3))
    assert (x - 13.5).abs().max() <= 2.01
    assert (x - 13.5).abs().max() > 1.5


def test_same_seed_gives_same_distortion(images: torch.Tensor) -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(Augmentation()(images))
    assert torch.equal(*results)
