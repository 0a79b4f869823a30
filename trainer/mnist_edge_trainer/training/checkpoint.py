"""Checkpoints, which hold tensors and plain values only, and the folder of a run."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from mnist_edge.errors import TrainingError, UsageError, one_line
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.facts import MNIST_FACTS as MNIST
from mnist_edge_trainer.data.facts import DataFacts
from mnist_edge_trainer.training.checkpoint_file import read_values
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.qat import quantize_weights

__all__ = [
    "MNIST",
    "Checkpoint",
    "DataFacts",
    "EpochRecord",
    "RunFolder",
    "TrainerState",
    "history_of",
    "load_checkpoint",
    "write_history",
]


class EpochRecord(TypedDict):
    """One row of ``history.csv``.

    Losses are cross-entropy in nats, accuracies fractions. `val_photo_accuracy` is measured on
    photographs of held-out digits; None = there were none.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_photo_accuracy: float | None
    seconds: float


class TrainerState(TypedDict):
    """The part of ``last.pt`` that lets a run resume to the same weights."""

    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    history: list[EpochRecord]


@dataclass(frozen=True)
class Checkpoint:
    """A trained network.

    Attributes:
        config: the recipe that it was trained with.
        epoch: epochs that it was trained for.
        val_loss: cross-entropy on the validation split, nats.
        val_accuracy: top-1 on the validation split, fraction.
        data: facts of the dataset that it was trained on.
        weights: state dict of the moving average, for the network that `build` makes.
        trainer: the trainer's state; only in ``last.pt``.
    """

    config: TrainConfig
    epoch: int
    val_loss: float
    val_accuracy: float
    data: DataFacts
    weights: dict[str, Tensor]
    trainer: TrainerState | None = None

    def save(self, path: Path) -> None:
        """Writes the file atomically.

        Raises:
            OutputError: it cannot be written.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        # In memory first: of a full disk, torch says nothing that a user could understand.
        content = io.BytesIO()
        torch.save(values | {"config": asdict(self.config), "data": asdict(self.data)}, content)
        with atomic_write(path) as partial:
            partial.write_bytes(content.getbuffer())

    def network(self) -> nn.Module:
        """Builds the trained network, on the CPU, in evaluation mode.

        Weights of fewer bits than 8 are rounded, as they will be in the quantized file.

        Raises:
            TrainingError: there is no such architecture, or the weights do not fit it.
        """
        try:
            network = build(self.config.arch, len(self.data.labels))
            network.load_state_dict(self.weights)
            if self.config.weight_bits < 8:
                quantize_weights(network, self.config.weight_bits)
        except (UsageError, RuntimeError, TypeError) as error:
            raise TrainingError(
                "the checkpoint's weights are not of its architecture, "
                f"{one_line(self.config.arch)}; use another run"
            ) from error
        return network.eval()


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint, running no code from it.

    Raises:
        UsageError: there is no such file.
        TrainingError: the file is damaged, or not a checkpoint.
    """
    try:
        return Checkpoint(**read_values(path, EpochRecord))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such checkpoint; train one with `mnist-edge train`"
        ) from error
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        # A file of arbitrary bytes fails in arbitrary ways on its way through pickle and zip.
        reason = f" ({one_line(str(error))})" if type(error) in (ValueError, UsageError) else ""
        raise TrainingError(
            f"{path}: damaged, or not a checkpoint of mnist-edge{reason}; use another run"
        ) from error


def history_of(run: RunFolder) -> list[EpochRecord]:
    """Reads the records of the epochs that a run has finished.

    Raises:
        UsageError, TrainingError: as `load_checkpoint`.
    """
    state = load_checkpoint(run.last).trainer
    return [] if state is None else state["history"]


def write_history(run: RunFolder, history: list[EpochRecord]) -> None:
    """Writes ``history.csv`` atomically.

    Raises:
        OutputError: it cannot be written.
    """
    with (
        atomic_write(run.history) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(EpochRecord.__annotations__))
        writer.writeheader()
        writer.writerows(history)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one training run, ``runs/NAME``, and the files in it."""

    path: Path

    @property
    def best(self) -> Path:
        """Checkpoint of the epoch with the lowest validation loss."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch, with the trainer's state."""
        return self.path / "last.pt"

    @property
    def config(self) -> Path:
        """The recipe as JSON."""
        return self.path / "config.json"

    @property
    def recipe(self) -> Path:
        """The recipe as TOML, for `mnist-edge train --config`."""
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        """An `EpochRecord` in each row, as CSV."""
        return self.path / "history.csv"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that a training writes, but for the plot."""
        return (self.best, self.last, self.config, self.recipe, self.history)

    @property
    def curves(self) -> Path:
        """Plot of the history."""
        return self.path / "curves.png"

    @classmethod
    def latest(cls, root: Path = Path("runs")) -> RunFolder:
        """Finds the run under `root` whose ``last.pt`` is the newest.

        Raises:
            UsageError: there is no run.
        """
        checkpoints = sorted(root.glob("*/last.pt"), key=lambda path: path.stat().st_mtime)
        if not checkpoints:
            raise UsageError(f"{root}: no training run here; start one with `mnist-edge train`")
        return cls(checkpoints[-1].parent)
