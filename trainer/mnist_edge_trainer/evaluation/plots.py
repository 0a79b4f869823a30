"""Pictures of a run: its curves, its confusions, its mistakes, what it looks at.

Every one is written to a path, as SVG where that ends in ``.svg`` and as PNG otherwise. Colours are
told apart by the colour-blind (Okabe and Ito 2008), and nothing is said by colour alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FormatStrFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)
from sklearn.metrics import ConfusionMatrixDisplay

from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.evaluation.metrics import (
    CONFIDENCE_BINS,
    calibration_error,
    confidence_bins,
    mistaken,
    wilson_interval,
)
from mnist_edge_trainer.evaluation.rejection import RejectionPoint
from mnist_edge_trainer.training.checkpoint import EpochRecord

__all__ = [
    "draw_confusion_matrix",
    "draw_curves",
    "draw_filters",
    "draw_mistakes",
    "draw_predictions",
    "draw_rejection",
    "draw_reliability",
    "draw_saliency",
    "first_of_each",
]

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
_RIGHT, _WRONG = _BLUE, _ORANGE

_MISTAKES, _PREDICTIONS, _FILTERS = 24, 40, 64
_LEAST_DROP = 0.01
"""Of a probability: what matters less than this to an answer is left pale."""


def draw_curves(history: list[EpochRecord], path: Path) -> None:
    """Loss and error rate of training and validation over the epochs.

    The training curves are of augmented images, which are harder than the validation's own.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    # One epoch alone makes no line; many make a chain of beads.
    marker = "o" if len(history) <= 20 else ""
    training = {"color": _BLUE, "linestyle": "--", "marker": marker, "markersize": 3}
    validation = {"color": _ORANGE, "marker": marker, "markersize": 3}
    photographs = {"color": _GREEN, "linestyle": "-.", "marker": marker, "markersize": 3}
    epochs = [record["epoch"] for record in history]
    loss.plot(epochs, [record["train_loss"] for record in history], **training)
    loss.plot(epochs, [record["val_loss"] for record in history], **validation)
    wrong = [100 - 100 * record["train_accuracy"] for record in history]
    error.plot(epochs, wrong, **training, label="training (augmented)")
    wrong = [100 - 100 * record["val_accuracy"] for record in history]
    error.plot(epochs, wrong, **validation, label="validation")
    photos = [record.get("val_photo_accuracy") for record in history]
    if None not in photos:
        wrong = [100 - 100 * accuracy for accuracy in photos if accuracy is not None]
        error.plot(epochs, wrong, **photographs, label="validation, photographs")
    loss.set(xlabel="epoch", ylabel="cross-entropy, nats")
    error.set(xlabel="epoch", ylabel="error rate, %")
    for axes in (loss, error):
        _scale_by_decades(axes)
        axes.grid(alpha=0.3, which="both")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, len(history) + 0.5)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_confusion_matrix(matrix: npt.NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Counts of true (rows) against predicted classes (columns).

    Colour shows each row's mistakes alone: beside the diagonal's thousands they would all be white.

    Args:
        matrix: int64 ``[C, C]``.
        labels: the C names.
        path: the canvas grows with the number of classes.

    Raises:
        OutputError: `path` cannot be written.
    """
    names = [_shortened(label, 16) for label in labels]
    longest = max(len(name) for name in names)
    is_large = len(names) > 20
    side = max(5.0, (0.3 if is_large else 0.42) * len(names)) + 0.1 * longest + 0.6
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    display = ConfusionMatrixDisplay(matrix, display_labels=names)
    display.plot(
        ax=axes,
        cmap="Reds",
        colorbar=False,
        values_format="d",
        xticks_rotation=90 if longest > 2 else 0,
        text_kw={"fontsize": 7 if is_large else 10 if len(names) <= 12 else 8, "color": "black"},
    )
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    assert display.im_ is not None
    assert display.text_ is not None
    display.im_.set_data(mistakes)
    # The darkest reds would swallow black figures.
    display.im_.set_clim(0, 2 * max(1, int(mistakes.max())))
    for (row, column), text in np.ndenumerate(display.text_):
        if matrix[row, column] == 0:
            text.set_text("")
        elif row == column:
            text.set_fontweight("bold")
    # A large canvas is shrunk to be looked at whole, and its names must survive that.
    axes.tick_params(labelsize=13 if is_large else 10)
    axes.set_xlabel("predicted", fontsize=18 if is_large else 10)
    axes.set_ylabel("true", fontsize=18 if is_large else 10)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    _save(figure, path)


def draw_mistakes(
    images: Images, labels: Labels, probabilities: Floats, names: Sequence[str], path: Path
) -> None:
    """The 24 most confident mistakes, each with its true and its predicted class.

    Args:
        images: uint8 ``[N, 28, 28]``.
        labels: int64 ``[N]``.
        probabilities: float32 ``[N, C]``.
        names: of the C classes.
        path: where to.

    Raises:
        OutputError: `path` cannot be written.
    """
    wrong = mistaken(probabilities, labels)
    shown = wrong[:_MISTAKES]
    heading = (
        f"the most confident mistakes, {len(shown)} of {len(wrong):,} on {len(labels):,} images: "
        "true → predicted, confidence"
        if len(wrong)
        else f"no mistake on {len(labels):,} images"
    )
    figure, tiles = _tiles(len(shown), columns=6, width=1.7, caption=0.42, heading=heading)
    for axes, index in zip(tiles, shown.tolist(), strict=True):
        answer = int(probabilities[index].argmax())
        _picture(axes, images[index])
        true, predicted = (_shortened(names[label], 12) for label in (labels[index], answer))
        axes.set_xlabel(
            f"{true} → {predicted}\n{probabilities[index, answer]:.1%}", fontsize=9, labelpad=3
        )
    _save(figure, path)


def draw_predictions(
    images: Images, labels: Labels, probabilities: Floats, names: Sequence[str], path: Path
) -> None:
    """40 pictures with the prediction beside the truth: the first of each class, in turn.

    Which they are depends on the labels alone, so that two networks are shown on the same ones.

    Args:
        images: uint8 ``[N, 28, 28]``.
        labels: int64 ``[N]``.
        probabilities: float32 ``[N, C]``.
        names: of the C classes.
        path: where to.

    Raises:
        OutputError: `path` cannot be written.
    """
    shown = first_of_each(labels, _PREDICTIONS)
    answers = probabilities.argmax(axis=1)
    right = int((answers[shown] == labels[shown]).sum())
    heading = f"the first images of each class in turn, {len(shown)} of {len(labels):,}"
    figure, tiles = _tiles(len(shown), columns=8, width=1.4, caption=0.42, heading=heading)
    for axes, index in zip(tiles, shown.tolist(), strict=True):
        is_right = answers[index] == labels[index]
        colour = _RIGHT if is_right else _WRONG
        _picture(axes, images[index], frame=colour, width=1.2 if is_right else 3)
        true, predicted = (_shortened(names[i], 13) for i in (labels[index], answers[index]))
        axes.set_xlabel(
            f"true {true}\npredicted {predicted}",
            fontsize=8,
            labelpad=3,
            color=colour,
            fontweight="normal" if is_right else "bold",
        )
    figure.legend(
        handles=[
            Patch(facecolor="white", edgecolor=_RIGHT, linewidth=1.2, label=f"right: {right}"),
            Patch(
                facecolor="white",
                edgecolor=_WRONG,
                linewidth=3,
                label=f"wrong: {len(shown) - right}",
            ),
        ],
        loc="upper right",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    _save(figure, path)


def draw_filters(weights: Floats, path: Path) -> None:
    """The first 64 patterns that the first layer looks for, on one scale about zero.

    Args:
        weights: float32 ``[N, rows, columns]`` (see `attention.first_layer`).
        path: where to.

    Raises:
        OutputError: `path` cannot be written.
    """
    shown = weights[:_FILTERS]
    limit = float(np.abs(shown).max()) or 1.0
    heading = f"first layer: {len(shown)} of {len(weights)} patterns"
    if len(shown) == len(weights):
        heading = f"first layer: {len(weights)} patterns"
    figure, tiles = _tiles(
        len(shown), columns=8, width=1.0, caption=0.04, heading=heading, foot=0.75
    )
    for axes, weight in zip(tiles, shown, strict=True):
        image = axes.imshow(weight, cmap="PuOr_r", vmin=-limit, vmax=limit)
        _bare(axes)
    inches = figure.get_figheight()
    bar = figure.add_axes((0.2, 0.5 / inches, 0.6, 0.14 / inches))
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8)
    bar.set_xlabel("weight", fontsize=8, labelpad=1)
    _save(figure, path)


def draw_reliability(probabilities: Floats, labels: Labels, path: Path) -> None:
    """How often answers are right, by how confident they are, and how many are so confident.

    The thin lines are 95 % Wilson intervals: with few answers in a bin, its height says little.

    Args:
        probabilities: float32 ``[N, C]``.
        labels: int64 ``[N]``.
        path: where to.

    Raises:
        OutputError: `path` cannot be written.
    """
    bins = confidence_bins(probabilities, labels)
    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    place = [one.lower for one in bins]
    style = {"align": "edge", "width": 1 / CONFIDENCE_BINS, "edgecolor": "white"}
    accuracy = np.array([one.accuracy for one in bins])
    upper.bar(place, accuracy, color=_BLUE, label="answers that are right", **style)
    bounds = np.array([wilson_interval(one.right, one.images) for one in bins]).T
    upper.errorbar(
        [one.confidence for one in bins],
        accuracy,
        yerr=np.maximum(0, [accuracy - bounds[0], bounds[1] - accuracy]),
        fmt="none",
        ecolor="black",
        elinewidth=1,
        capsize=2,
        label="95 % interval",
    )
    upper.plot([0, 1], [0, 1], color=_ORANGE, linestyle="--", label="perfectly calibrated")
    upper.set(ylabel="right", xlim=(0, 1), ylim=(0, 1.02))
    ece = calibration_error(bins)
    upper.set_title(f"expected calibration error {ece:.2%} ({CONFIDENCE_BINS} bins)", fontsize=11)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    upper.tick_params(bottom=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    lower.bar(place, [one.images for one in bins], color=_GREY, **style)
    lower.set(xlabel="confidence", ylabel="answers", yscale="log", ylim=(0.5, None))
    lower.xaxis.set_major_formatter(PercentFormatter(1))
    for axes in (upper, lower):
        axes.set_axisbelow(True)
        axes.grid(alpha=0.3)
    _save(figure, path)


def draw_saliency(
    images: Images, maps: Floats, labels: Labels, names: Sequence[str], path: Path
) -> None:
    """Where the network looked: the pictures, and what hiding a part does to the true class.

    Each picture has a scale of its own, and below it the largest drop in its map.

    Args:
        images: uint8 ``[N, 28, 28]``.
        maps: float32 ``[N, 28, 28]`` (see `attention.occlusion`).
        labels: int64 ``[N]``.
        names: of the classes.
        path: where to.

    Raises:
        OutputError: `path` cannot be written.
    """
    heading = (
        "where the network looked: hiding a patch there makes the true class less likely\n"
        "(orange) or more likely (purple); below, the largest mean drop of its probability"
    )
    figure, tiles = _tiles(
        len(images), columns=5, width=1.7, caption=0.42, heading=heading, head=0.65
    )
    for axes, image, drop, label in zip(tiles, images, maps, labels.tolist(), strict=True):
        limit = max(_LEAST_DROP, float(np.abs(drop).max()))
        axes.imshow(drop, cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="bilinear")
        axes.contour(image, levels=[127], colors="black", linewidths=1)
        _bare(axes)
        axes.set_xlabel(f"{_shortened(names[label], 14)}\n{drop.max():.1%}", fontsize=9, labelpad=3)
    _save(figure, path)


def draw_rejection(curve: Sequence[RejectionPoint], path: Path) -> None:
    """What is told, by least confidence.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    thresholds = [point.threshold for point in curve]
    for name, label, colour, marker in (
        ("right", "photographs told right", _BLUE, "o"),
        ("wrong", "photographs told wrong", _ORANGE, "s"),
        ("no_digit", "no digit, told to be one", _GREEN, "^"),
    ):
        values = [100 * getattr(point, name) for point in curve]
        axes.plot(thresholds, values, label=label, color=colour, marker=marker, markersize=4)
    axes.set(xlabel="least confidence", ylabel="of all pictures of the kind, %", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def first_of_each(labels: Labels, count: int) -> npt.NDArray[np.int64]:
    """The first picture of every class, then the second of every class, up to `count` of them.

    Args:
        labels: int64 ``[N]``.
        count: how many; fewer where there are fewer.

    Returns:
        int64 indices into `labels`.
    """
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    return np.lexsort((labels, turn))[:count]


def _tiles(
    count: int,
    *,
    columns: int,
    width: float,
    caption: float,
    heading: str,
    head: float = 0.45,
    foot: float = 0.1,
) -> tuple[Figure, list[Axes]]:
    """A grid of square tiles, each with room for a caption below; all lengths in inches."""
    rows = -(-count // columns)
    gap = 0.12
    across = columns * width + (columns + 1) * gap
    down = head + rows * (width + caption + gap) + foot
    figure = Figure(figsize=(across, down))
    figure.text(gap / across, 1 - 0.12 / down, heading, fontsize=10, va="top")
    tiles = []
    for place in range(count):
        row, column = divmod(place, columns)
        left = gap + column * (width + gap)
        top = head + row * (width + caption + gap)
        box = (left / across, 1 - (top + width) / down, width / across, width / down)
        tiles.append(figure.add_axes(box))
    return figure, tiles


def _scale_by_decades(axes: Axes) -> None:
    """A logarithmic scale with plain figures, unless all is zero, which has no logarithm."""
    if any(np.any(np.asarray(line.get_ydata()) > 0) for line in axes.lines):
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1)


def _picture(axes: Axes, image: Images, frame: str = "0.6", width: float = 0.6) -> None:
    """Dark ink on white, as it is printed."""
    axes.imshow(image, cmap="Greys", vmin=0, vmax=255)
    _bare(axes)
    for spine in axes.spines.values():
        spine.set(edgecolor=frame, linewidth=width)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])


def _shortened(name: str, length: int) -> str:
    """A name as it is to be drawn: to matplotlib, a dollar begins a formula."""
    short = name if len(name) <= length else name[: length - 1] + "…"
    return short.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> None:
    make_folder(path.parent)
    # The same figures make the same file: no date, and no names by chance.
    with (
        matplotlib.rc_context({"svg.hashsalt": "mnist-edge"}),
        atomic_write(path) as partial,
        warnings.catch_warnings(),
    ):
        # Of letters that the font has not: a box is drawn in their place.
        warnings.filterwarnings("ignore", "Glyph")
        if path.suffix == ".svg":
            figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
