"""Plots of a run: training curves, confusion matrix, reliability diagram, rejection curve.

Each is written to a path, as SVG where that ends in ``.svg`` and as PNG otherwise. What a colour
says, a line style, a marker or a word says too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FormatStrFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)
from sklearn.metrics import ConfusionMatrixDisplay

from mnist_edge_trainer.evaluation.figures import BLUE, GRAY, GREEN, ORANGE, save_figure, shorten
from mnist_edge_trainer.evaluation.metrics import (
    CONFIDENCE_BINS,
    ConfidenceBin,
    Labels,
    Probabilities,
    calibration_error,
    confidence_bins,
    wilson_interval,
)
from mnist_edge_trainer.evaluation.rejection import RejectionPoint

if TYPE_CHECKING:
    from mnist_edge_trainer.training.checkpoint import EpochRecord

__all__ = [
    "draw_confusion_matrix",
    "draw_curves",
    "draw_rejection",
    "draw_reliability",
    "draw_reliability_of",
]

_MARKED_EPOCHS = 20
"""Epochs up to which each has a marker: one epoch alone makes no line, many make a string of beads.
"""


def draw_curves(history: Sequence[EpochRecord], path: Path) -> None:
    """Draws loss and error rate of training and validation over the epochs.

    The training curves are those of augmented images, which are harder than validation images.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    marker = "o" if len(history) <= _MARKED_EPOCHS else ""
    training = {"color": BLUE, "linestyle": "--", "marker": marker, "markersize": 3}
    validation = {"color": ORANGE, "marker": marker, "markersize": 3}
    photographs = {"color": GREEN, "linestyle": "-.", "marker": marker, "markersize": 3}
    epochs = [record["epoch"] for record in history]
    loss.plot(epochs, [record["train_loss"] for record in history], **training)
    loss.plot(epochs, [record["val_loss"] for record in history], **validation)
    train_errors = [100 - 100 * record["train_accuracy"] for record in history]
    error.plot(epochs, train_errors, **training, label="training (augmented)")
    val_errors = [100 - 100 * record["val_accuracy"] for record in history]
    error.plot(epochs, val_errors, **validation, label="validation")
    photo_accuracies = [record.get("val_photo_accuracy") for record in history]
    if None not in photo_accuracies:
        photo_errors = [
            100 - 100 * accuracy for accuracy in photo_accuracies if accuracy is not None
        ]
        error.plot(epochs, photo_errors, **photographs, label="validation, photographs")
    loss.set(xlabel="epoch", ylabel="cross-entropy, nats")
    error.set(xlabel="epoch", ylabel="error rate, %")
    for axes in (loss, error):
        _set_log_scale(axes)
        axes.grid(alpha=0.3, which="both")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, len(history) + 0.5)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)


def draw_confusion_matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Path
) -> None:
    """Draws counts of true classes (rows) against predicted classes (columns).

    The colour shows mistakes only: beside the thousands on the diagonal they would all be white.

    Args:
        confusion: counts ``[C][C]``.
        labels: names of the C classes.
        path: file to write; the figure grows with the number of classes.

    Raises:
        OutputError: `path` cannot be written.
    """
    matrix = np.asarray(confusion)
    names = [shorten(label, 16) for label in labels]
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
    # The darkest reds would make black figures illegible.
    display.im_.set_clim(0, 2 * max(1, int(mistakes.max())))
    for (row, column), text in np.ndenumerate(display.text_):
        if matrix[row, column] == 0:
            text.set_text("")
        elif row == column:
            text.set_fontweight("bold")
    # A large figure is scaled down to be seen whole: its names must be larger.
    axes.tick_params(labelsize=13 if is_large else 10)
    axes.set_xlabel("predicted", fontsize=18 if is_large else 10)
    axes.set_ylabel("true", fontsize=18 if is_large else 10)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    save_figure(figure, path)


def draw_reliability(probabilities: Probabilities, truth: Labels, path: Path) -> None:
    """Draws the reliability diagram of predictions (see `draw_reliability_of`).

    Args:
        probabilities: float32 ``[N, C]``.
        truth: int64 ``[N]``, the true classes.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    draw_reliability_of(confidence_bins(probabilities, truth), "images", path)


def draw_reliability_of(bins: Sequence[ConfidenceBin], counted: str, path: Path) -> None:
    """Draws accuracy against confidence, above the number of predictions of each confidence.

    The thin lines are 95 % Wilson intervals: with few predictions in a bin, its height says little.

    Args:
        bins: at least one.
        counted: what a prediction is of, in the plural.
        path: file to write.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    left_edges = [bin_.lower for bin_ in bins]
    style = {"align": "edge", "width": 1 / CONFIDENCE_BINS, "edgecolor": "white"}
    accuracy = np.array([bin_.accuracy for bin_ in bins])
    upper.bar(left_edges, accuracy, color=BLUE, label="accuracy", **style)
    low, high = np.array([wilson_interval(bin_.correct, bin_.images) for bin_ in bins]).T
    upper.errorbar(
        [bin_.confidence for bin_ in bins],
        accuracy,
        yerr=np.maximum(0, [accuracy - low, high - accuracy]),
        fmt="none",
        ecolor="black",
        elinewidth=1,
        capsize=2,
        label="95 % interval",
    )
    upper.plot([0, 1], [0, 1], color=ORANGE, linestyle="--", label="perfectly calibrated")
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    ece = calibration_error(bins)
    upper.set_title(f"expected calibration error {ece:.2%} ({CONFIDENCE_BINS} bins)", fontsize=11)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    upper.tick_params(bottom=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    lower.bar(left_edges, [bin_.images for bin_ in bins], color=GRAY, **style)
    lower.set(xlabel="confidence", ylabel=counted, yscale="log", ylim=(0.5, None))
    lower.xaxis.set_major_formatter(PercentFormatter(1))
    for axes in (upper, lower):
        axes.set_axisbelow(True)
        axes.grid(alpha=0.3)
    save_figure(figure, path)


def draw_rejection(curve: Sequence[RejectionPoint], path: Path) -> None:
    """Draws what is accepted against the confidence threshold.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    thresholds = [point.threshold for point in curve]
    for fractions, label, colour, marker in (
        ([point.correct for point in curve], "digits, accepted and correct", BLUE, "o"),
        ([point.wrong for point in curve], "digits, accepted and wrong", ORANGE, "s"),
        ([point.negatives for point in curve], "non-digits, accepted", GREEN, "^"),
    ):
        percent = [100 * fraction for fraction in fractions]
        axes.plot(thresholds, percent, label=label, color=colour, marker=marker, markersize=4)
    axes.set(xlabel="confidence threshold", ylabel="share of the photographs, %", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


def _set_log_scale(axes: Axes) -> None:
    """Sets a logarithmic scale with plain figures, unless all values are zero."""
    if any(np.any(np.asarray(line.get_ydata()) > 0) for line in axes.lines):
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1)
