"""Checkpoints, of tensors and plain values only, and the folder of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.facts import MNIST_FACTS as MNIST
from mnist_edge_trainer.data.facts import DataFacts
from mnist_edge_trainer.training.config import TrainConfig

__all__ = [
    "MNIST",
    "Checkpoint",
    "DataFacts",
    "EpochRecord",
    "RunFolder",
    "TrainerState",
    "history_of",
    "load_checkpoint",
]


class EpochRecord(TypedDict):
    """One row of ``history.csv``. Losses are cross-entropy in nats, accuracies fractions.

    `val_photo_accuracy` is that of photographs of held-out digits, None where there were none.
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
    """What ``last.pt`` holds beyond the weights, so that a run continues to the same result."""

    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    history: list[EpochRecord]


@dataclass(frozen=True)
class Checkpoint:
    """A trained network.

    Attributes:
        config: how it was trained.
        epoch: after how many epochs.
        val_loss: cross-entropy on the validation split, nats.
        val_accuracy: top-1 on the validation split, fraction.
        data: what it was trained on.
        weights: the averaged weights, ready for `models.build(config.arch)`.
        trainer: the rest of the trainer's state; only in ``last.pt``.
    """

    config: TrainConfig
    epoch: int
    val_loss: float
    val_accuracy: float
    data: DataFacts
    weights: dict[str, Tensor]
    trainer: TrainerState | None = None

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        values = {field: getattr(self, field) for field in self.__dataclass_fields__}
        with atomic_write(path) as partial:
            try:
                torch.save(
                    values | {"config": asdict(self.config), "data": asdict(self.data)}, partial
                )
            except RuntimeError as error:  # what torch makes of a full disk
                raise OSError(str(error).splitlines()[0]) from error

    def network(self) -> nn.Module:
        """The trained network, on the CPU, in evaluation mode.

        Raises:
            TrainingError: there is no such architecture, or the weights are not of it.
        """
        try:
            network = build(self.config.arch, len(self.data.labels))
            network.load_state_dict(self.weights)
        except (UsageError, RuntimeError, TypeError) as error:
            raise TrainingError(
                f"the checkpoint's weights are not of its architecture, {self.config.arch}; "
                "use another run"
            ) from error
        return network.eval()


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint, running no code from it.

    Raises:
        UsageError: there is none.
        TrainingError: it is damaged or something else.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        # Runs of 0.1 saw no photographs and did not log so; up to 0.3 there was MNIST alone.
        config = TrainConfig(**{"photos": 0} | values.pop("config"))
        values.pop("dataset_sha256", None)
        data = values.pop("data", None)
        facts = MNIST if data is None else DataFacts(**data)
        return Checkpoint(config=config, data=facts, **values)
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such checkpoint; train one with `mnist-edge train`"
        ) from error
    except Exception as error:
        # A file of arbitrary bytes fails in arbitrary ways on its way through pickle and zip.
        raise TrainingError(
            f"{path}: damaged, or no checkpoint of this version of mnist-edge; use another run"
        ) from error


def history_of(run: RunFolder) -> list[EpochRecord]:
    """Of the epochs that a run has finished; errors as `load_checkpoint`."""
    state = load_checkpoint(run.last).trainer
    return [] if state is None else state["history"]


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME``: where everything about one training run lies."""

    path: Path

    @property
    def best(self) -> Path:
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        return self.path / "last.pt"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @classmethod
    def latest(cls, root: Path = Path("runs")) -> RunFolder:
        """The run under `root` that was written to last.

        Raises:
            UsageError: there is none.
        """
        checkpoints = sorted(root.glob("*/last.pt"), key=lambda path: path.stat().st_mtime)
        if not checkpoints:
            raise UsageError(f"{root}: no training run here; start one with `mnist-edge train`")
        return cls(checkpoints[-1].parent)
