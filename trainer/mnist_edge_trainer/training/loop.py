"""The training loop: `train` runs epochs until it is done; `Trainer` runs one epoch, step by step.

By default AdamW on a one-cycle schedule; whole batches augmented at once; and a moving average of
the weights, which is validated and kept.
"""

from __future__ import annotations

import dataclasses
from contextlib import closing
from dataclasses import dataclass

import torch

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge.outputs.atomic import make_folder
from mnist_edge_trainer.training.callbacks import Callback
from mnist_edge_trainer.training.checkpoint import (
    Checkpoint,
    EpochRecord,
    RunFolder,
    load_checkpoint,
    write_history,
)
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.device import torch_threads
from mnist_edge_trainer.training.ranks import ALONE, KnownError, Ranks
from mnist_edge_trainer.training.trainer import DivergedError, Trainer
from mnist_edge_trainer.training.training_data import TrainingData

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a run.

    Attributes:
        best: the checkpoint with the lowest validation loss.
        history: records of all epochs, those before an interruption included.
        stopped_early: the validation loss did not improve for `TrainConfig.patience` epochs.
    """

    best: Checkpoint
    history: list[EpochRecord]
    stopped_early: bool


def train(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    *,
    device: torch.device,
    callback: Callback,
    init_from: Checkpoint | None = None,
    resume: bool = False,
    ranks: Ranks = ALONE,
) -> TrainResult:
    """Trains to the last epoch, or until the validation loss stops improving.

    On the CPU, the same seed on the same machine with the same number of threads gives the same
    weights, whether the run is interrupted and resumed or not.

    Args:
        config: the recipe; for a resumed run, the one that it was started with. Torch's number of
            threads is set to its `threads` while it trains.
        data: images to train on and to validate with.
        run: folder for ``config.json``, ``recipe.toml``, ``history.csv``, ``best.pt`` and
            ``last.pt``.
        device: to train on.
        callback: receives every step and epoch.
        init_from: checkpoint with the initial weights; if its classes are others, all but those
            of the last layer. None = random weights.
        resume: continue from ``last.pt``.
        ranks: the processes that train together; rank 0 alone reads and writes the folder.

    Raises:
        UsageError: the batch is larger than the training set, or `init_from` has another
            architecture.
        TrainingError: the loss is no longer finite, there is nothing to resume from, or another
            rank has ended.
        OutputError: the folder cannot be written to.
    """
    if config.batch_size > len(data.training):
        raise UsageError(
            f"--batch-size {config.batch_size}: larger than the {len(data.training)} training "
            "images"
        )
    if config.batch_size < ranks.count:
        raise UsageError(
            f"--batch-size {config.batch_size}: smaller than the number of ranks, {ranks.count}"
        )
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    # Nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with torch_threads(config.threads), closing(Trainer(config, data, device, ranks)) as trainer:
        best: Checkpoint | None = None
        if resume:
            last, best = ranks.from_first(
                lambda: (load_checkpoint(run.last), load_checkpoint(run.best))
            )
            ranks.everywhere(lambda: trainer.restore(last))
        elif init_from is not None:
            trainer.load_initial_weights(init_from)
        if ranks.is_first:
            make_folder(run.path)
            if not resume:
                config.save(run.config)
                config.save_recipe(run.recipe)
        return _run_epochs(trainer, config, run if ranks.is_first else None, callback, best)


def _run_epochs(
    trainer: Trainer,
    config: TrainConfig,
    run: RunFolder | None,
    callback: Callback,
    best: Checkpoint | None,
) -> TrainResult:
    """Runs the epochs that are left; writes checkpoints and history after each, if to a folder."""
    while not trainer.finished:
        try:
            record = trainer.run_epoch(callback)
        except DivergedError as error:
            kept = "no epoch was finished"
            if best and run is not None:
                kept = f"the last good checkpoint is {run.last}"
            failed = TrainingError(
                f"the loss is no longer finite in epoch {error.epoch}; start again with a smaller "
                f"--lr (it was {config.lr:g}); {kept}"
            )
            raise failed if run is not None else KnownError(failed) from error
        checkpoint = trainer.checkpoint()
        is_best = False
        if best is None or checkpoint.val_loss < best.val_loss:
            is_best = True
            best = dataclasses.replace(checkpoint, trainer=None)
        if run is not None:
            if is_best:
                best.save(run.best)
            checkpoint.save(run.last)
            write_history(run, trainer.history)
        callback.on_epoch(record, is_best)
    if best is None:
        raise TrainingError("nothing was trained")
    return TrainResult(best, trainer.history, len(trainer.history) < config.epochs)
