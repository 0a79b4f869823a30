"""Batches of lines, their loss, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_edge.numbers.alphabet import BLANK
from mnist_edge.numbers.text_line import LINE_HEIGHT
from mnist_edge_trainer.numbers.line_images import LineSample
from mnist_edge_trainer.numbers.line_reader import COLUMN, LineReaderNet, LineScores

__all__ = ["Batch", "collate", "loss_of", "read_greedily", "validate", "worn"]

_WIDTH_STEP = 16
"""Batches are padded to multiples of this: fewer shapes for the kernels to prepare for."""


class Batch(NamedTuple):
    """Lines of similar width.

    Attributes:
        images: uint8 ``[N, 1, 32, W]``.
        labels: int64 ``[N, S]``, padded with 0.
        lengths: int64 ``[N]``: symbols of each.
        boxes: float32 ``[N, S, 4]``, pixels; padded with -1000.
    """

    images: Tensor
    labels: Tensor
    lengths: Tensor
    boxes: Tensor


def collate(lines: Sequence[LineSample]) -> Batch:
    """Pads lines to the widest."""
    width = max(line.image.shape[1] for line in lines)
    width = -(-width // _WIDTH_STEP) * _WIDTH_STEP
    most = max(1, max(len(line.symbols) for line in lines))
    images = np.zeros((len(lines), 1, LINE_HEIGHT, width), np.uint8)
    labels = np.zeros((len(lines), most), np.int64)
    boxes = np.full((len(lines), most, 4), -1_000, np.float32)
    for number, line in enumerate(lines):
        images[number, 0, :, : line.image.shape[1]] = line.image
        for place, (label, box) in enumerate(line.symbols):
            labels[number, place], boxes[number, place] = label, box
    lengths = np.array([len(line.symbols) for line in lines])
    return Batch(*map(torch.from_numpy, (images, labels, lengths, boxes)))


def worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """The little that makes a line another one when it is used again: float32 in 0..1."""
    count = len(images)
    gain = 0.85 + 0.3 * torch.rand(count, 1, 1, 1, generator=generator)
    noise = 0.03 * torch.rand(count, 1, 1, 1, generator=generator)
    grain = torch.randn(images.shape, generator=generator)
    return (images.float() / 255 * gain + noise * grain).clamp(0, 1)


def loss_of(scores: LineScores, batch: Batch, guidance: float) -> Tensor:
    """CTC, the classes in the middle of symbols, and their boxes.

    Args:
        scores: of the batch.
        batch: what the lines show.
        guidance: weight of the classes in the middle of the boxes.
    """
    logits, boxes = (part.float() for part in scores)  # the products may be bf16
    columns = logits.shape[1]
    log_probabilities = logits.log_softmax(dim=2)
    loss = F.ctc_loss(
        log_probabilities.transpose(0, 1),
        batch.labels,
        torch.full_like(batch.lengths, columns),
        batch.lengths,
        BLANK,
        zero_infinity=True,
    )
    x = (torch.arange(columns) + 0.5)[None, None] * COLUMN  # middles of the columns
    left, _, right, _ = (side[..., None] for side in batch.boxes.unbind(dim=2))
    width = (right - left).clamp(min=1)
    distance = (x - (left + right) / 2).abs() / width  # [N, S, T]; 0.5 at the box's sides
    nearest, symbol = distance.min(dim=1)
    target = batch.boxes.gather(1, symbol[..., None].expand(-1, -1, 4))
    middle = x[0].expand(len(target), -1)
    wanted = torch.stack(
        [middle - target[..., 0], target[..., 1], target[..., 2] - middle, target[..., 3]], dim=2
    )
    inside = nearest < 0.6
    if inside.any():
        off = F.smooth_l1_loss(boxes[inside], wanted[inside] / LINE_HEIGHT, beta=0.05)
        loss = loss + 2.0 * off
    if guidance:
        label = batch.labels.gather(1, symbol)
        classes = torch.where(nearest < 0.25, label, torch.full_like(label, -1))
        classes[(distance > 0.5 + COLUMN / width).all(dim=1)] = BLANK
        loss = loss + guidance * F.nll_loss(
            log_probabilities.flatten(0, 1), classes.flatten(), ignore_index=-1
        )
    return loss


@torch.inference_mode()
def read_greedily(network: LineReaderNet, images: Tensor) -> list[list[int]]:
    """The classes of each line's best path."""
    network.eval()
    best = network(images.float() / 255).logits.argmax(dim=2)
    read = []
    for row in best.tolist():
        path = [label for label, before in zip(row, [BLANK, *row], strict=False) if label != before]
        read.append([label for label in path if label != BLANK])
    return read


def validate(network: LineReaderNet, lines: Sequence[LineSample]) -> float:
    """Share of lines of which every symbol is right."""
    order = sorted(range(len(lines)), key=lambda i: lines[i].image.shape[1])
    right = 0
    for start in range(0, len(order), 64):
        part = [lines[i] for i in order[start : start + 64]]
        for read, line in zip(read_greedily(network, collate(part).images), part, strict=True):
            right += read == [symbol.label for symbol in line.symbols]
    return right / len(lines)
