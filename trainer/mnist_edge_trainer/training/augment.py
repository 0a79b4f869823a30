"""Augmentation of a whole batch at once: one resampling does the affine map and the elastic one."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Augmentation", "to_unit_range"]


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 ``[N, 1, 28, 28]`` in 0..255 to float32 in 0..1: what every network here takes."""
    return images.float() / 255


@dataclass(frozen=True)
class Augmentation:
    """Random distortions of handwriting, drawn afresh for every image of a batch.

    The elastic part follows Simard, Steinkraus and Platt, "Best practices for convolutional
    neural networks applied to visual document analysis" (2003): a smooth random displacement
    field. Here the field is drawn on a coarse grid and interpolated, which needs no filtering.

    Attributes:
        rotation: largest angle either way, degrees.
        scale: largest relative change of width and of height, each by itself.
        shear: largest horizontal slant, as a fraction of the height.
        shift: largest translation along each axis, pixels.
        elastic: standard deviation of the displacement at the coarse grid's nodes, pixels.
        elastic_nodes: nodes of that grid along each axis.
    """

    rotation: float = 10.0
    scale: float = 0.12
    shear: float = 0.15
    shift: float = 2.0
    elastic: float = 0.6
    elastic_nodes: int = 6

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Distorts a batch.

        Args:
            images: float32 ``[B, 1, H, W]`` in 0..1, background 0.
            generator: of the randomness; None = torch's global one.

        Returns:
            float32 of the same shape and range.
        """
        size = images.shape[-1]
        # By sums of rows and columns: F.affine_grid's products of tiny matrices take longer.
        across, down, shift = self._affine(images, generator)[:, None, None].unbind(dim=-1)
        centres = (2 * torch.arange(size, device=images.device) + 1) / size - 1
        grid = across * centres[:, None] + (down * centres[:, None, None] + shift)
        grid = grid + self._displacement(images, generator) * (2 / size)
        return F.grid_sample(images, grid, align_corners=False)

    def _affine(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Inverse maps from output to input coordinates, ``[B, 2, 3]``."""

        def uniform(limit: float) -> Tensor:
            drawn = torch.rand(len(images), device=images.device, generator=generator)
            return (drawn * 2 - 1) * limit

        angle = uniform(math.radians(self.rotation))
        width, height = 1 + uniform(self.scale), 1 + uniform(self.scale)
        slant = uniform(self.shear)
        cos, sin = torch.cos(angle), torch.sin(angle)
        to_unit = 2 / images.shape[-1]
        x = torch.stack([cos / width, slant - sin, uniform(self.shift * to_unit)], dim=1)
        y = torch.stack([sin, cos / height, uniform(self.shift * to_unit)], dim=1)
        return torch.stack([x, y], dim=1)

    def _displacement(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """A smooth random field in pixels, ``[B, H, W, 2]``."""
        size = (len(images), 2, self.elastic_nodes, self.elastic_nodes)
        nodes = torch.randn(size, device=images.device, generator=generator)
        spread = _cubic(self.elastic_nodes, images.shape[-1]).to(images.device)
        field = spread @ (nodes * self.elastic) @ spread.T
        return field.permute(0, 2, 3, 1)


@functools.cache
def _cubic(nodes: int, size: int) -> Tensor:
    """Weights ``[size, nodes]`` of bicubic interpolation along one axis.

    As a product of matrices it takes a fraction of the time of interpolating every field.
    """
    each_node = torch.eye(nodes)[None, None]
    return F.interpolate(each_node, size=(size, nodes), mode="bicubic", align_corners=True)[0, 0]
