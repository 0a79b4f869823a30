"""Occlusion maps of networks whose behaviour is known, and the filters of a first layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mnist_edge.model import Model
from mnist_edge.types import GrayImage
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.evaluation.metrics import Probabilities
from mnist_edge_trainer.evaluation.saliency import first_layer_filters, occlusion
from tests.unit.trainer.evaluation.conftest import Digits


def brightness_of(images: GrayImage, rows: slice, columns: slice) -> Probabilities:
    """A network of two classes, the second as probable as a part of the image is bright."""
    brightness = images[:, rows, columns].mean(axis=(1, 2)) / np.float32(255)
    return np.stack([1 - brightness, brightness], axis=1).astype(np.float32)


def test_map_of_one_pixel_has_the_shape_of_the_patches_that_cover_it() -> None:
    images = np.full((1, 28, 28), 255, np.uint8)

    def predict(images: GrayImage) -> Probabilities:
        return brightness_of(images, slice(10, 11), slice(12, 13))

    (saliency,) = occlusion(predict, images, np.array([1]), patch=5, stride=1)
    shared = np.clip(5 - np.abs(np.arange(28)[:, np.newaxis] - [10, 12]), 0, None) / 5
    np.testing.assert_allclose(saliency, np.outer(shared[:, 0], shared[:, 1]), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_map_is_positive_in_the_quadrant_that_a_network_sees_and_zero_elsewhere(
    stride: int,
) -> None:
    images = np.random.default_rng(0).integers(1, 256, (2, 28, 28), dtype=np.uint8)

    def predict(images: GrayImage) -> Probabilities:
        return brightness_of(images, slice(14), slice(14, None))

    maps = occlusion(predict, images, np.array([1, 1]), stride=stride)
    assert (maps[:, :14, 14:] > 0).all()
    assert (maps[:, 18:] == 0).all()
    assert (maps[:, :, :10] == 0).all()


def test_ink_matters_more_than_background_to_the_bundled_model(digits: Digits) -> None:
    images, labels = digits[0][:20], digits[1][:20]
    maps = occlusion(Model.load("mnist-edge-int8").run, images, labels)
    assert np.abs(maps[:, :2, :2]).max() == 0
    for image, saliency in zip(images, maps, strict=True):
        assert saliency[image > 127].mean() > saliency[image == 0].mean()


def test_map_is_negative_where_covering_makes_the_true_class_more_likely() -> None:
    images = np.full((1, 28, 28), 255, np.uint8)

    def predict(images: GrayImage) -> Probabilities:
        return brightness_of(images, slice(3, 4), slice(3, 4))

    (saliency,) = occlusion(predict, images, np.array([0]))
    assert saliency[3, 3] == -1


@pytest.mark.parametrize(("patch", "stride"), [(5, 6), (5, 0), (4, 1)])
def test_patches_that_would_leave_pixels_out_are_refused(patch: int, stride: int) -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    with pytest.raises(ValueError, match="patch"):
        occlusion(lambda _: np.zeros((0, 2), np.float32), images, np.array([0]), patch, stride)


def test_filters_of_a_convolution_are_its_kernels() -> None:
    lenet = build("lenet")
    kernels = first_layer_filters(lenet)
    assert kernels is not None
    np.testing.assert_array_equal(kernels, lenet.state_dict()["features.0.weight"][:, 0])


def test_filters_behind_space_to_depth_are_kernels_of_pixels() -> None:
    torch.manual_seed(0)
    small = build("small")
    kernels = first_layer_filters(small)
    assert kernels is not None
    image = torch.rand(1, 1, 28, 28)
    expected = nn.functional.conv2d(
        image, torch.tensor(kernels)[:, None], stride=(1, 4), padding=(2, 4)
    )
    space_to_depth, first, *_ = small.get_submodule("features").children()
    torch.testing.assert_close(first.get_submodule("0")(space_to_depth(image)), expected)


def test_filters_of_a_linear_layer_are_its_rows() -> None:
    linear = nn.Linear(784, 32)
    rows = first_layer_filters(nn.Sequential(nn.Flatten(), linear, nn.ReLU(), nn.Linear(32, 10)))
    assert rows is not None
    assert rows.shape == (32, 28, 28)
    assert rows[5, 2, 3] == linear.weight[5, 2 * 28 + 3]


@pytest.mark.parametrize("layer", [nn.Linear(49, 10), nn.ReLU()])
def test_network_that_begins_with_neither_has_no_filters(layer: nn.Module) -> None:
    assert first_layer_filters(nn.Sequential(layer)) is None
