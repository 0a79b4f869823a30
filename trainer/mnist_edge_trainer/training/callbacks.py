"""Shows a training run while it runs: a bar on a terminal, a line an epoch everywhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mnist_edge_trainer.training.checkpoint import EpochRecord
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import StepReport

__all__ = ["LiveDisplay"]


class LiveDisplay:
    """An callback that prints to stderr."""

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
        if self._progress.disable:
            return
        done = (report.epoch - 1) * report.steps + report.step
        if self._task is None:
            self._task = self._progress.add_task(
                "train",
                total=self._epochs * report.steps,
                completed=done - 1,
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
            completed=done,
            epoch=report.epoch,
            loss=report.loss,
            accuracy=report.accuracy,
            rate=steps_per_second * report.images,
            validation=self._validation,
        )

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        self._validation = f"validation {record['val_loss']:.4f}  {record['val_accuracy']:.2%}"
        self._console.print(
            f"epoch {record['epoch']:>3}/{self._epochs}  "
            f"train loss {record['train_loss']:.4f}  accuracy {record['train_accuracy']:.2%}  "
            f"validation loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.2%}  "
            f"{_photos(record)}{record['seconds']:.1f} s{'  best' if is_best else ''}",
            highlight=False,
            soft_wrap=True,
        )


def _photos(record: EpochRecord) -> str:
    accuracy = record.get("val_photo_accuracy")
    return "" if accuracy is None else f"photographs {accuracy:.2%}  "
