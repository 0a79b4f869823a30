"""Callbacks: the display prints a line for each epoch; TensorBoard gets every figure."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from mnist_edge_trainer.training.callbacks import (
    CallbackList,
    LiveDisplay,
    StepReport,
    with_tensorboard,
)
from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig

STEP = StepReport(epoch=1, step=3, steps=20, loss=0.5, accuracy=0.9, images=128)
RECORD = EpochRecord(
    epoch=1,
    lr=0.001,
    train_loss=0.25,
    train_accuracy=0.9375,
    val_loss=0.125,
    val_accuracy=0.96875,
    val_photo_accuracy=0.875,
    seconds=2.5,
)


class RecordingCallback:
    def __init__(self) -> None:
        self.events: list[object] = []

    def on_step(self, report: StepReport) -> None:
        self.events.append(report)

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:
        self.events.append((record, is_best))


def test_callback_list_passes_every_event_to_each() -> None:
    first, second = RecordingCallback(), RecordingCallback()
    both = CallbackList([first, second])
    both.on_step(STEP)
    both.on_epoch(RECORD, True)
    assert first.events == second.events == [STEP, (RECORD, True)]


@pytest.mark.parametrize("terminal", [True, False])
def test_display_prints_a_line_for_each_epoch(terminal: bool) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200)
    with LiveDisplay(TrainConfig(epochs=7), console) as display:
        display.on_step(STEP)
        display.on_epoch(RECORD, True)
        display.on_epoch(RECORD | {"val_photo_accuracy": None}, False)
    line = (
        "epoch   1/7  train loss 0.2500  accuracy 93.75%  validation loss 0.1250  "
        "accuracy 96.88%  photographs 87.50%  2.5 s  best"
    )
    assert line in output.getvalue()
    assert "accuracy 96.88%  2.5 s\n" in output.getvalue()
    if not terminal:
        assert len(output.getvalue().splitlines()) == 2


def test_without_tensorboard_the_callback_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    callback = RecordingCallback()
    with with_tensorboard(callback, RunFolder(tmp_path)) as both:
        assert both is callback


class FakeWriter:
    """Stands in for TensorBoard's writer, which need not be installed."""

    written: dict[str, tuple[float, int]]

    def __init__(self, folder: str) -> None:
        FakeWriter.written = {}
        self.folder = folder

    def __enter__(self) -> FakeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_scalar(self, name: str, value: float, step: int) -> None:
        FakeWriter.written[name] = (value, step)


def test_tensorboard_gets_the_figures_of_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    callback = RecordingCallback()
    with with_tensorboard(callback, RunFolder(tmp_path)) as both:
        both.on_step(STEP)
        both.on_epoch(RECORD, False)
    assert callback.events == [STEP, (RECORD, False)]
    assert FakeWriter.written == {
        "loss/training": (0.25, 1),
        "loss/validation": (0.125, 1),
        "accuracy/training": (0.9375, 1),
        "accuracy/validation": (0.96875, 1),
        "accuracy/photographs": (0.875, 1),
        "lr": (0.001, 1),
    }
