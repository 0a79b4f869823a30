"""Every hyperparameter of a training run, in one place, with its unit."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.files import written_whole
from mnist_edge_trainer.models import DEFAULT_ARCHITECTURE

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """What decides the weights that a run ends with.

    Attributes:
        arch: name in `mnist_edge_trainer.models.ARCHITECTURES`.
        epochs: passes over the training images.
        batch_size: images per step.
        lr: peak learning rate, reached after `warmup` and annealed to zero along a cosine.
        warmup: fraction of all steps spent rising to the peak.
        weight_decay: AdamW's decoupled decay.
        ema_decay: of the moving average of the weights, per step; the average is what is
            validated, kept and exported.
        label_smoothing: probability mass spread over the other classes in the loss.
        augment: distort every training image afresh.
        photos: simulated photographs shown in every epoch beside the training images; 0 = none.
        val_split: images held out of the 60,000 for early stopping and calibration.
        patience: epochs without a better validation loss before stopping early.
        seed: of initialisation, order and augmentation.
    """

    arch: str = DEFAULT_ARCHITECTURE
    epochs: int = 50
    batch_size: int = 128
    lr: float = 4e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    ema_decay: float = 0.999
    label_smoothing: float = 0.0
    augment: bool = True
    photos: int = 27_500
    val_split: int = 5_000
    patience: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr", "val_split", "patience"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value}: must be a number greater than zero")
        if self.photos < 0:
            raise UsageError(f"--photos {self.photos}: must be zero or more")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed {self.seed}: must lie between 0 and {2**32 - 1}")

    def save(self, path: Path) -> None:
        """Writes JSON. Raises OutputError where it cannot."""
        with written_whole(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
