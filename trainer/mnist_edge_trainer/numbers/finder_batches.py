"""Batches of pages: what the network should say of them, its loss, and how far it is from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from mnist_edge_trainer.numbers.line_finder_net import (
    CELL,
    REFERENCE_HEIGHT,
    LineFinderNet,
    LineMaps,
)
from mnist_edge_trainer.numbers.page import LineTruth

__all__ = ["CORE", "PageBatch", "Sample", "collate", "lit", "loss_of", "target_of", "validate"]

CORE = 0.4
"""Height of the core of a line, of its digits' height."""


class Sample(NamedTuple):
    """A page and its target.

    Attributes:
        image: uint8 ``[H, W]``.
        target: float32 ``[5, H / 4, W / 4]``: core, weight, logarithm of the height, slant, dark.
    """

    image: np.typing.NDArray[np.uint8]
    target: np.typing.NDArray[np.float32]


def target_of(lines: Sequence[LineTruth], rows: int, columns: int) -> np.typing.NDArray[np.float32]:
    """What the network should say of a page: see `Sample`."""
    target = np.zeros((5, rows // CELL, columns // CELL), np.float32)
    target[1] = 1
    for (x0, y0), (x1, y1), height, is_dark in lines:
        length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
        cos, sin = (x1 - x0) / length, (y1 - y0) / length
        half = max(CORE / 2 * height, 0.45 * CELL)
        corners = [
            (x + side * half * -sin, y + side * half * cos)
            for x, y, side in ((x0, y0, -1), (x1, y1, -1), (x1, y1, 1), (x0, y0, 1))
        ]
        image = Image.new("L", (columns, rows))
        ImageDraw.Draw(image).polygon(corners, fill=255)
        covered = np.asarray(image.reduce(CELL), np.float32) / 255
        core = covered >= 0.5
        target[0][core] = 1
        target[1][(covered > 0.1) & ~core & (target[0] == 0)] = 0
        near = covered > 0
        target[2][near] = math.log(height / REFERENCE_HEIGHT)
        target[3][near], target[4][near] = sin, float(is_dark)
    return target


class PageBatch(NamedTuple):
    """Pages, padded to the largest.

    Attributes:
        images: uint8 ``[N, 1, H, W]``.
        targets: float32 ``[N, 5, H / 4, W / 4]``, as of `Sample`.
    """

    images: Tensor
    targets: Tensor


def collate(samples: Sequence[Sample]) -> PageBatch:
    """Pads pages to the largest."""
    rows = max(sample.image.shape[0] for sample in samples)
    columns = max(sample.image.shape[1] for sample in samples)
    images, targets = [], []
    for image, target in samples:
        down, across = rows - image.shape[0], columns - image.shape[1]
        images.append(np.pad(image, ((0, down), (0, across)), mode="edge"))
        targets.append(np.pad(target, ((0, 0), (0, down // CELL), (0, across // CELL))))
    return PageBatch(
        torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(targets))
    )


def lit(batch: PageBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Other light, and now and then the negative: images float32 in 0..1, and the targets."""
    images, targets = batch
    count = len(images)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    levels = images.float() / 255
    negative = draw(0, 1) < 0.12
    levels = torch.where(negative, 1 - levels, levels)
    targets = targets.clone()
    targets[:, 4] = torch.where(negative[:, 0], 1 - targets[:, 4], targets[:, 4])
    levels = (levels ** draw(0.6, 1.6)) * draw(0.6, 1.2)
    return levels.clamp(0, 1), targets


def loss_of(maps: LineMaps, targets: Tensor) -> Tensor:
    """Cross-entropy and overlap of the core; height, slant and polarity inside it."""
    core, weight, height, slant, dark = targets.unbind(dim=1)
    maps = LineMaps(*(part.float() for part in maps))  # the products may be bf16
    bce = F.binary_cross_entropy_with_logits(maps.core, core, weight * (1 + 3 * core))
    chance = torch.sigmoid(maps.core) * weight
    both = (chance * core).sum(dim=(1, 2))
    dice = 1 - (2 * both + 1) / (chance.sum(dim=(1, 2)) + (core * weight).sum(dim=(1, 2)) + 1)
    loss = bce + 0.5 * dice.mean()
    inside = core > 0
    if inside.any():
        loss = loss + 0.5 * F.smooth_l1_loss(maps.height[inside], height[inside], beta=0.1)
        loss = loss + 0.5 * F.smooth_l1_loss(maps.slant[inside], slant[inside], beta=0.05)
        loss = loss + 0.2 * F.binary_cross_entropy_with_logits(maps.dark[inside], dark[inside])
    return loss


@torch.inference_mode()
def validate(network: LineFinderNet, samples: Sequence[Sample]) -> dict[str, float]:
    """Overlap of the core, and errors inside it."""
    network.eval()
    both = either = 0.0
    height, slant, dark, cells = 0.0, 0.0, 0.0, 0
    for sample in samples:
        image, target = collate([sample])
        maps, (core, weight, h, s, d) = network(image.float() / 255), target[0]
        found = (maps.core[0] > 0) & (weight > 0)
        wanted = core > 0
        both += float((found & wanted).sum())
        either += float((found | wanted).sum())
        height += float((maps.height[0] - h).abs()[wanted].sum())
        slant += float((maps.slant[0] - s).abs()[wanted].sum())
        dark += float(((maps.dark[0] > 0) == (d > 0.5))[wanted].sum())
        cells += int(wanted.sum())
    return {
        "overlap": round(both / max(1.0, either), 4),
        "height": round(height / max(1, cells), 4),
        "slant": round(slant / max(1, cells), 4),
        "dark": round(dark / max(1, cells), 4),
    }
