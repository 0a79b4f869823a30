"""Callbacks of the training loop: a display on the terminal, and TensorBoard."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Callback", "CallbackList", "LiveDisplay", "StepReport", "with_tensorboard"]


@dataclass(frozen=True)
class StepReport:
    """The state of the training after one step.

    Attributes:
        epoch: counted from 1.
        step, steps: number of the step within the epoch, counted from 1, and their total.
        loss: running mean over the epoch, nats.
        accuracy: running mean over the epoch, of the augmented images, fraction.
        images: in this step.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images: int


class Callback(Protocol):
    """Receives training events; must not modify the training."""

    def on_step(self, report: StepReport) -> None:
        """Is called after each step."""

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        """Is called after each epoch, when its checkpoints are written.

        Args:
            record: the epoch's figures.
            is_best: its validation loss is the lowest so far.
        """


@dataclass(frozen=True)
class CallbackList:
    """Passes every event on to several callbacks, in order."""

    callbacks: Sequence[Callback]

    def on_step(self, report: StepReport) -> None:
        """See `Callback`."""
        for callback in self.callbacks:
            callback.on_step(report)

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        """See `Callback`."""
        for callback in self.callbacks:
            callback.on_epoch(record, is_best)


class LiveDisplay:
    """Shows the training: a progress bar on a terminal, and a line for each epoch.

    Args:
        config: the recipe.
        console: to print to.
    """

    def __init__(self, config: TrainConfig, console: Console) -> None:
        self._epochs = config.epochs
        self._console = console
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.2%}"),
            TextColumn("{task.fields[validation]}"),
            TextColumn("{task.fields[rate]:,.0f} images/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._validation = ""

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_step(self, report: StepReport) -> None:
        """Moves the bar."""
        if self._progress.disable:
            return
        finished = (report.epoch - 1) * report.steps + report.step
        if self._task is None:
            self._task = self._progress.add_task(
                "train",
                total=self._epochs * report.steps,
                completed=finished - 1,
                epoch=report.epoch,
                epochs=self._epochs,
                loss=report.loss,
                accuracy=report.accuracy,
                rate=0.0,
                validation=self._validation,
            )
        steps_per_second = self._progress.tasks[0].speed or 0.0
        self._progress.update(
            self._task,
            completed=finished,
            epoch=report.epoch,
            loss=report.loss,
            accuracy=report.accuracy,
            rate=steps_per_second * report.images,
            validation=self._validation,
        )

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        """Prints the epoch's line."""
        self._validation = f"validation {record['val_loss']:.4f}  {record['val_accuracy']:.2%}"
        self._console.print(
            f"epoch {record['epoch']:>3}/{self._epochs}  "
            f"train loss {record['train_loss']:.4f}  accuracy {record['train_accuracy']:.2%}  "
            f"validation loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.2%}  "
            f"{_photo_column(record)}{record['seconds']:.1f} s{'  best' if is_best else ''}",
            highlight=False,
            soft_wrap=True,
        )


def _photo_column(record: EpochRecord) -> str:
    accuracy = record.get("val_photo_accuracy")
    return "" if accuracy is None else f"photographs {accuracy:.2%}  "


@contextlib.contextmanager
def with_tensorboard(callback: Callback, run: RunFolder) -> Iterator[Callback]:
    """Adds TensorBoard to a callback: events go to ``tensorboard`` in the run's folder.

    Yields:
        both in one; `callback` alone where TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        yield callback
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.path / "tensorboard")) as writer:
        yield CallbackList([callback, _TensorBoard(writer)])


@dataclass(frozen=True)
class _TensorBoard:
    """Writes the figures of each epoch."""

    writer: SummaryWriter

    def on_step(self, report: StepReport) -> None:
        pass

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:  # noqa: ARG002 - a protocol's
        figures = {
            "loss/training": record["train_loss"],
            "loss/validation": record["val_loss"],
            "accuracy/training": record["train_accuracy"],
            "accuracy/validation": record["val_accuracy"],
            "accuracy/photographs": record["val_photo_accuracy"],
            "lr": record["lr"],
        }
        for name, value in figures.items():
            if value is not None:
                self.writer.add_scalar(name, value, record["epoch"])
