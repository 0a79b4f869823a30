"""The network that reads a line: convolutions to one row of columns, two symbols' worth in each.

A fully convolutional network with CTC (Graves et al. 2006), as Rosetta and PP-OCR's early readers
without their recurrence. Features are at a stride of 4 pixels, and the last layer gives two columns
of 2 pixels for each position, as sub-pixel convolution does (Shi et al., arXiv:1609.05158): CTC
needs a blank between two like digits, and "11" is narrow.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_edge.numbers.alphabet import BLANK, CLASSES

__all__ = ["COLUMN", "LineReaderNet", "LineScores"]

COLUMN = 2
"""Pixels of a column."""

_BOX = 4
_PER_POSITION = 2
_BLANK_BIAS = 1.5
"""At first most columns are blank: CTC begins at once instead of finding that out."""


class LineScores(NamedTuple):
    """What the network says of each column.

    Attributes:
        logits: float32 ``[N, T, 17]``.
        boxes: float32 ``[N, T, 4]``, of 32 pixels: how far the symbol's box reaches to the left of
            the column's middle, its top from the strip's top, how far it reaches to the right, and
            its bottom.
    """

    logits: Tensor
    boxes: Tensor


def _conv(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] | None = None,
) -> nn.Sequential:
    pad = (kernel[0] // 2, kernel[1] // 2) if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """A layer that adds to what it is given."""

    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(channels, channels, kernel, 1, padding, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class LineReaderNet(nn.Module):
    """Reads strips ``[N, 1, 32, W]`` in 0..1, W a multiple of 4."""

    def __init__(self, classes: int = CLASSES, width: float = 1.0) -> None:
        super().__init__()
        a, b, c, d, e, f = (8 * round(n * width / 8) for n in (16, 32, 64, 80, 112, 128))
        self.features = nn.Sequential(
            _conv(1, a, stride=(2, 2)),  # 16 x W/2
            _conv(a, b, stride=(2, 1)),  # 8 x W/2
            _conv(b, c, stride=(1, 2)),  # 8 x W/4
            _conv(c, d, stride=(2, 1)),  # 4 x W/4
            _Residual(d, (3, 3)),
            _conv(d, e, stride=(2, 1)),  # 2 x W/4
            _conv(e, f, kernel=(2, 3), padding=(0, 1)),  # 1 x W/4
            _Residual(f, (1, 5)),
            _Residual(f, (1, 5)),
        )
        self.classes = classes
        self.head = nn.Conv2d(f, _PER_POSITION * (classes + _BOX), 1)
        nn.init.normal_(self.head.weight, std=0.01)
        bias = torch.zeros(_PER_POSITION, classes + _BOX)
        bias[:, BLANK] = _BLANK_BIAS
        self.head.bias = nn.Parameter(bias.flatten())

    def forward(self, x: Tensor) -> LineScores:
        """The scores of each column."""
        scores = self.head(self.features(x)).squeeze(2)  # [N, 2 * (C + 4), W/4]
        columns = scores.unflatten(1, (_PER_POSITION, self.classes + _BOX))
        # Positions side by side, and in each its columns: [N, W/4, 2, C + 4].
        columns = columns.permute(0, 3, 1, 2).flatten(1, 2)
        return LineScores(*columns.split((self.classes, _BOX), dim=2))
