"""The network that finds lines of digits: a small U-Net over an overview of the picture.

Ronneberger, Fischer and Brox 2015 (arXiv:1505.04597), with sums in place of concatenations. For
each cell of 4 x 4 pixels it says whether the core of a line of digits lies there, how high the
digits are, how the line is slanted, and whether its ink is dark.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CELL", "REFERENCE_HEIGHT", "LineFinderNet", "LineMaps"]

CELL = 4
"""Pixels of a cell."""

REFERENCE_HEIGHT = 32.0
"""Digits of this height, pixels of the overview, have the logarithm 0."""


class LineMaps(NamedTuple):
    """What the network says of each cell, float32 ``[N, H / 4, W / 4]``.

    Attributes:
        core: logit that the middle of a line of digits lies there.
        height: natural logarithm of the digits' height, over `REFERENCE_HEIGHT`.
        slant: sine of the line's angle, downwards to the right.
        dark: logit that the ink is darker than the paper.
    """

    core: Tensor
    height: Tensor
    slant: Tensor
    dark: Tensor


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class LineFinderNet(nn.Module):
    """Finds lines in overviews ``[N, 1, H, W]`` in 0..1, H and W multiples of 32."""

    def __init__(self, channels: tuple[int, ...] = (8, 24, 40, 64, 80)) -> None:
        super().__init__()
        a, b, c, d, e = channels
        self.stem = _conv(1, a, stride=2)
        self.quarter = _conv(a, b, stride=2)
        self.eighth = nn.Sequential(_conv(b, c, stride=2), _Residual(c))
        self.sixteenth = nn.Sequential(_conv(c, d, stride=2), _Residual(d))
        self.bottom = nn.Sequential(_conv(d, e, stride=2), _Residual(e), _Residual(e))
        self.up_bottom, self.skip_sixteenth = _conv(e, c, kernel=1), _conv(d, c, kernel=1)
        self.merge_sixteenth = _Residual(c)
        self.merge_eighth = _Residual(c)
        self.up_eighth = _conv(c, b, kernel=1)
        self.merge_quarter = _Residual(b)
        self.head = nn.Conv2d(b, len(LineMaps._fields), 1)
        bias = torch.zeros(len(LineMaps._fields))
        bias[0] = -2.0  # at first most cells are of no line
        self.head.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> LineMaps:
        """The maps of each overview."""
        return LineMaps(*self.head(self.features(x)).unbind(dim=1))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees: float32 ``[N, C, H / 4, W / 4]``."""
        quarter = self.quarter(self.stem(x))
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        up = _double(self.up_bottom(self.bottom(sixteenth)))
        up = self.merge_sixteenth(up + self.skip_sixteenth(sixteenth))
        up = self.merge_eighth(_double(up) + eighth)
        merged: Tensor = self.merge_quarter(_double(self.up_eighth(up)) + quarter)
        return merged


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
