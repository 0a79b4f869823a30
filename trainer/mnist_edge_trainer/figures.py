"""Pictures of a run: its curves, its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from mnist_edge.files import make_folder, written_whole
from mnist_edge_trainer.checkpoint import EpochRecord
from mnist_edge_trainer.rejection import RejectionPoint

__all__ = ["draw_confusion_matrix", "draw_curves", "draw_rejection"]


def draw_curves(history: list[EpochRecord], path: Path) -> None:
    """Loss and error rate of training and validation over the epochs, as a PNG.

    The training curves are of augmented images, which are harder than the validation's own.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, error = figure.subplots(1, 2)
    epochs = [record["epoch"] for record in history]
    loss.plot(epochs, [record["train_loss"] for record in history], label="training (augmented)")
    loss.plot(epochs, [record["val_loss"] for record in history], label="validation")
    error.plot(epochs, [100 - 100 * record["train_accuracy"] for record in history])
    error.plot(epochs, [100 - 100 * record["val_accuracy"] for record in history])
    photos = [record.get("val_photo_accuracy") for record in history]
    if None not in photos:
        wrong = [100 - 100 * accuracy for accuracy in photos if accuracy is not None]
        error.plot(epochs, wrong, label="validation, photographs")
        error.legend()
    loss.set(xlabel="epoch", ylabel="cross-entropy, nats", yscale="log")
    error.set(xlabel="epoch", ylabel="error rate, %", yscale="log")
    loss.legend()
    for axes in (loss, error):
        axes.grid(alpha=0.3, which="both")
    _save(figure, path)


def draw_confusion_matrix(matrix: npt.NDArray[np.int64], path: Path) -> None:
    """Counts of true (rows) against predicted digits (columns), as a PNG.

    Colour shows each row's mistakes alone: beside the diagonal's thousands they would all be white.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    display = ConfusionMatrixDisplay(matrix)
    display.plot(ax=axes, cmap="Reds", colorbar=False, values_format="d")
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    assert display.im_ is not None
    display.im_.set_data(mistakes)
    display.im_.set_clim(0, max(1, int(mistakes.max())))
    for text in display.text_.ravel() if display.text_ is not None else ():
        text.set_color("black")
    axes.set(xlabel="predicted digit", ylabel="true digit")
    _save(figure, path)


def draw_rejection(curve: Sequence[RejectionPoint], path: Path) -> None:
    """What is told, by least confidence, as a PNG.

    Raises:
        OutputError: `path` cannot be written.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    thresholds = [point.threshold for point in curve]
    for name, label in (
        ("right", "photographs told right"),
        ("wrong", "photographs told wrong"),
        ("no_digit", "no digit, told to be one"),
    ):
        axes.plot(thresholds, [100 * getattr(p, name) for p in curve], label=label, marker=".")
    axes.set(xlabel="least confidence", ylabel="of all pictures of the kind, %", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    make_folder(path.parent)
    with written_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
