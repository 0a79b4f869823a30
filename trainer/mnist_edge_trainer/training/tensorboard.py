"""A training run's figures for TensorBoard, where that is installed."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.loop import Callback, StepReport

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["with_tensorboard"]


@contextlib.contextmanager
def with_tensorboard(callback: Callback, run: RunFolder) -> Iterator[Callback]:
    """Tells TensorBoard what `callback` is told, in ``tensorboard`` of the run's folder.

    Yields:
        `callback` alone where TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        yield callback
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.path / "tensorboard")) as writer:
        yield _Both(callback, writer)


class _Both:
    def __init__(self, callback: Callback, writer: SummaryWriter) -> None:
        self._observer = callback
        self._writer = writer

    def on_step(self, report: StepReport) -> None:
        self._observer.on_step(report)

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        self._observer.on_epoch(record, is_best)
        for name, training, validation in (
            ("loss", record["train_loss"], record["val_loss"]),
            ("accuracy", record["train_accuracy"], record["val_accuracy"]),
        ):
            self._writer.add_scalar(f"{name}/training", training, record["epoch"])
            self._writer.add_scalar(f"{name}/validation", validation, record["epoch"])
        self._writer.add_scalar("lr", record["lr"], record["epoch"])
        photos = record["val_photo_accuracy"]
        if photos is not None:
            self._writer.add_scalar("accuracy/photographs", photos, record["epoch"])
