"""Grids of images: mistakes, predictions beside the truth, saliency maps, first-layer filters.

Each is written to a path, as SVG where that ends in ``.svg`` and as PNG otherwise. What a colour
says, a word or the weight of a line says too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mnist_edge.types import GrayImage
from mnist_edge_trainer.evaluation.figures import BLUE, ORANGE, save_figure, shorten
from mnist_edge_trainer.evaluation.metrics import Labels, Probabilities, find_mistakes
from mnist_edge_trainer.evaluation.saliency import Maps

__all__ = [
    "MAX_FILTERS",
    "MAX_MISTAKES",
    "MAX_PREDICTIONS",
    "draw_filters",
    "draw_mistakes",
    "draw_predictions",
    "draw_saliency",
    "first_of_each_class",
]

MAX_MISTAKES = 24
MAX_PREDICTIONS = 40
MAX_FILTERS = 64

_CORRECT, _WRONG = BLUE, ORANGE
_CORRECT_LINE, _WRONG_LINE = 1.2, 3.0

_MIN_SALIENCY = 0.01
"""Drop of a probability at full colour, where no larger one is in the map."""


def draw_mistakes(
    images: GrayImage,
    truth: Labels,
    probabilities: Probabilities,
    labels: Sequence[str],
    path: Path,
) -> None:
    """Draws the 24 most confident mistakes, each with its true and its predicted class.

    Args:
        images: uint8 ``[N, 28, 28]``.
        truth: int64 ``[N]``, the true classes.
        probabilities: float32 ``[N, C]``.
        labels: names of the C classes.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    wrong = find_mistakes(probabilities, truth)
    shown = wrong[:MAX_MISTAKES]
    heading = f"no mistake on {len(truth):,} images"
    if len(wrong):
        heading = (
            f"the most confident mistakes, {len(shown)} of {len(wrong):,} on {len(truth):,} images:"
            " true → predicted, confidence"
        )
    figure, tiles = _grid(len(shown), columns=6, width=1.7, caption=0.42, heading=heading)
    for axes, index in zip(tiles, shown.tolist(), strict=True):
        predicted = int(probabilities[index].argmax())
        confidence = probabilities[index, predicted]
        _show_image(axes, images[index])
        names = [shorten(labels[label], 12) for label in (truth[index], predicted)]
        axes.set_xlabel(f"{names[0]} → {names[1]}\n{confidence:.1%}", fontsize=9, labelpad=3)
    save_figure(figure, path)


def draw_predictions(
    images: GrayImage,
    truth: Labels,
    probabilities: Probabilities,
    labels: Sequence[str],
    path: Path,
) -> None:
    """Draws 40 images with their true and predicted classes: the first of each class, in turn.

    Which images depends on the true classes alone, so that two networks are shown on the same ones.

    Args:
        images: uint8 ``[N, 28, 28]``.
        truth: int64 ``[N]``, the true classes.
        probabilities: float32 ``[N, C]``.
        labels: names of the C classes.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    shown = first_of_each_class(truth, MAX_PREDICTIONS)
    predicted = probabilities.argmax(axis=1)
    is_correct = predicted == truth
    heading = f"the first images of each class in turn, {len(shown)} of {len(truth):,}"
    figure, tiles = _grid(len(shown), columns=8, width=1.4, caption=0.42, heading=heading)
    for axes, index in zip(tiles, shown.tolist(), strict=True):
        colour = _CORRECT if is_correct[index] else _WRONG
        line = _CORRECT_LINE if is_correct[index] else _WRONG_LINE
        _show_image(axes, images[index], frame=colour, width=line)
        names = [shorten(labels[label], 13) for label in (truth[index], predicted[index])]
        axes.set_xlabel(
            f"true {names[0]}\npredicted {names[1]}",
            fontsize=8,
            labelpad=3,
            color=colour,
            fontweight="normal" if is_correct[index] else "bold",
        )
    correct = int(is_correct[shown].sum())
    keys = (
        (f"correct: {correct}", _CORRECT, _CORRECT_LINE),
        (f"wrong: {len(shown) - correct}", _WRONG, _WRONG_LINE),
    )
    figure.legend(
        handles=[
            Patch(facecolor="white", edgecolor=colour, linewidth=line, label=label)
            for label, colour, line in keys
        ],
        loc="upper right",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    save_figure(figure, path)


def draw_saliency(
    images: GrayImage, maps: Maps, truth: Labels, labels: Sequence[str], path: Path
) -> None:
    """Draws saliency maps with the outlines of their images.

    Each map has its own scale; below it stands its largest drop.

    Args:
        images: uint8 ``[N, 28, 28]``.
        maps: float32 ``[N, 28, 28]`` (see `saliency.occlusion`).
        truth: int64 ``[N]``, the true classes.
        labels: names of the classes.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    heading = (
        "occlusion saliency: covering this place makes the true class less likely (orange)\n"
        "or more likely (purple); below, the largest mean drop of its probability"
    )
    figure, tiles = _grid(
        len(images), columns=5, width=1.7, caption=0.42, heading=heading, head=0.65
    )
    for axes, image, saliency, label in zip(tiles, images, maps, truth.tolist(), strict=True):
        limit = max(_MIN_SALIENCY, float(np.abs(saliency).max()))
        axes.imshow(saliency, cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="bilinear")
        axes.contour(image, levels=[127], colors="black", linewidths=1)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(
            f"{shorten(labels[label], 14)}\n{saliency.max():.1%}", fontsize=9, labelpad=3
        )
    save_figure(figure, path)


def draw_filters(weights: Maps, path: Path) -> None:
    """Draws the first 64 filters of the first layer, on one scale about zero.

    Args:
        weights: float32 ``[N, H, W]`` (see `saliency.first_layer_filters`).
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    shown = weights[:MAX_FILTERS]
    limit = float(np.abs(shown).max()) or 1.0
    part = "" if len(shown) == len(weights) else f"{len(shown)} of "
    heading = f"first layer: {part}{len(weights)} filters"
    figure, tiles = _grid(
        len(shown), columns=8, width=1.0, caption=0.04, heading=heading, foot=0.75
    )
    for axes, weight in zip(tiles, shown, strict=True):
        image = axes.imshow(weight, cmap="PuOr_r", vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[])
    inches = figure.get_figheight()
    bar = figure.add_axes((0.2, 0.5 / inches, 0.6, 0.14 / inches))
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8)
    bar.set_xlabel("weight", fontsize=8, labelpad=1)
    save_figure(figure, path)


def first_of_each_class(truth: Labels, count: int) -> Labels:
    """Chooses the first image of every class, then the second of every class, and so on.

    Args:
        truth: int64 ``[N]``, the true classes.
        count: number of images; all of them where there are fewer.

    Returns:
        int64 positions in `truth`.
    """
    turn = np.empty(len(truth), np.int64)
    for label in np.unique(truth):
        members = truth == label
        turn[members] = np.arange(members.sum())
    return np.lexsort((truth, turn))[:count]


def _grid(
    count: int,
    *,
    columns: int,
    width: float,
    caption: float,
    heading: str,
    head: float = 0.45,
    foot: float = 0.1,
) -> tuple[Figure, list[Axes]]:
    """Makes a figure of square tiles, each with room for a caption below; lengths in inches."""
    rows = -(-count // columns)
    gap = 0.12
    figure_width = columns * width + (columns + 1) * gap
    figure_height = head + rows * (width + caption + gap) + foot
    figure = Figure(figsize=(figure_width, figure_height))
    figure.text(gap / figure_width, 1 - 0.12 / figure_height, heading, fontsize=10, va="top")
    tiles = []
    for position in range(count):
        row, column = divmod(position, columns)
        left = gap + column * (width + gap)
        bottom = head + row * (width + caption + gap) + width
        box = (
            left / figure_width,
            1 - bottom / figure_height,
            width / figure_width,
            width / figure_height,
        )
        tiles.append(figure.add_axes(box))
    return figure, tiles


def _show_image(axes: Axes, image: GrayImage, frame: str = "0.6", width: float = 0.6) -> None:
    """Shows dark ink on white, as on paper."""
    axes.imshow(image, cmap="Greys", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(edgecolor=frame, linewidth=width)
