"""Statistics of a dataset's pixels, and a contact sheet of its pictures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mnist_edge.errors import UsageError, one_line
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.data.splits import Digits

__all__ = ["EXAMPLES", "PixelStatistics", "draw_contact_sheet", "examples", "pixel_statistics"]

EXAMPLES = 12
"""Pictures of each class on a contact sheet."""

_LEVELS = 256

_CHUNK = 10_000
"""Images counted at a time: their pixels are widened to count them."""

_GAP = 2
"""Pixels between the pictures of a contact sheet."""

_BACKGROUND = 64
"""Gray between the pictures of a contact sheet, and where a class has no more of them."""

_INCHES_PER_PIXEL = 1 / 40

_DPI = 160
"""Dots per inch of a contact sheet."""

_MAX_DOTS = 60_000
"""Dots along its longer side at most; matplotlib draws no more than 65,535."""


@dataclass(frozen=True)
class PixelStatistics:
    """Statistics of all pixels of a set of images; 0 = black, 1 = white.

    Attributes:
        mean: of the pixels.
        std: their standard deviation.
        ink: part of them that is not 0, the background.
        minimum: the darkest.
        maximum: the lightest.
    """

    mean: float
    std: float
    ink: float
    minimum: float
    maximum: float


def pixel_statistics(digits: Digits) -> PixelStatistics:
    """Computes the statistics of one image or more, exactly: pixels of each level are counted."""
    pixels = digits.images.numpy()
    counts = np.zeros(_LEVELS, np.int64)
    for start in range(0, len(pixels), _CHUNK):
        counts += np.bincount(pixels[start : start + _CHUNK].ravel(), minlength=_LEVELS)
    shares = counts / counts.sum()
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    mean = float(shares @ levels)
    present = levels[counts > 0]
    return PixelStatistics(
        mean=mean,
        std=float(np.sqrt(shares @ (levels - mean) ** 2)),
        ink=1 - float(shares[0]),
        minimum=float(present[0]),
        maximum=float(present[-1]),
    )


def examples(digits: Digits, label: int, count: int) -> GrayImage:
    """The first images of a class: uint8 ``[N, 28, 28]``, N at most `count`."""
    return digits.images[digits.labels == label][:count, 0].numpy()


def draw_contact_sheet(digits: Digits, labels: tuple[str, ...], path: Path) -> None:
    """Draws the first `EXAMPLES` of each class, a row for each, with its name and count, as a PNG.

    Args:
        digits: to draw.
        labels: names of the classes.
        path: of the PNG.

    Raises:
        UsageError: `path` is not named as a PNG.
        OutputError: `path` cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"--output {path}: is written as PNG; give it a name that ends in .png")
    step = SIDE + _GAP
    sheet = np.full((len(labels) * step + _GAP, EXAMPLES * step + _GAP), _BACKGROUND, np.uint8)
    for row in range(len(labels)):
        top = row * step + _GAP
        for column, image in enumerate(examples(digits, row, EXAMPLES)):
            left = column * step + _GAP
            sheet[top : top + SIDE, left : left + SIDE] = image
    height, width = sheet.shape
    figure = Figure(
        figsize=(width * _INCHES_PER_PIXEL, height * _INCHES_PER_PIXEL), layout="constrained"
    )
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=_LEVELS - 1, interpolation="nearest")
    counts = np.bincount(digits.labels.numpy(), minlength=len(labels))
    axes.set_yticks(
        np.arange(len(labels)) * step + step / 2,
        [f"{one_line(label)}\n{count:,}" for label, count in zip(labels, counts, strict=True)],
        parse_math=False,
    )
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    make_folder(path.parent)
    with atomic_write(path) as partial, warnings.catch_warnings():
        # Matplotlib warns of letters that the font lacks, and draws boxes for them.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(
            partial,
            format="png",
            dpi=min(_DPI, _MAX_DOTS / figure.get_figheight()),
            bbox_inches="tight",
            metadata={"Software": None},
        )
