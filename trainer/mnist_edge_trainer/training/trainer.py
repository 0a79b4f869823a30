"""One training, moved forward an epoch at a time, step by step.

Every epoch draws its randomness from its own seed, so a resumed run needs no generator state to
continue to the same weights.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.augment import to_unit_range
from mnist_edge_trainer.training.callbacks import Callback, StepReport
from mnist_edge_trainer.training.checkpoint import Checkpoint, EpochRecord, TrainerState
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.device import use_bf16
from mnist_edge_trainer.training.losses import TrainingLoss, balanced_weights
from mnist_edge_trainer.training.optimizer import (
    make_optimizer,
    make_schedule,
    moving_average,
    restore_optimizer,
    restore_schedule,
)
from mnist_edge_trainer.training.qat import fake_quantized_weights
from mnist_edge_trainer.training.ranks import ALONE, Ranks
from mnist_edge_trainer.training.training_data import EpochSampler, TrainingData

__all__ = ["DivergedError", "Trainer", "predict_logits"]

_EVALUATION_BATCH = 1_000
_FEWEST_STEPS = 3


@torch.inference_mode()
def predict_logits(network: nn.Module, images: Tensor) -> Tensor:
    """Logits float32 ``[N, C]`` of uint8 images ``[N, 1, 28, 28]``, in evaluation mode."""
    network.eval()
    return torch.cat([network(to_unit_range(batch)) for batch in images.split(_EVALUATION_BATCH)])


class DivergedError(Exception):
    """The loss is not finite."""

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class Trainer:
    """Network, moving average, optimizer and schedule, moved forward one epoch at a time.

    Args:
        config: the recipe.
        data: images to train on and to validate with.
        device: to train on.
        ranks: the processes that share every batch.

    Raises:
        UsageError: there is no such architecture, or there are too few steps.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: TrainingData,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self._config, self._device, self._facts = config, device, data.facts
        self._ranks = ranks
        self._sampler = EpochSampler(data, config, device, ranks)
        self._validation = data.validation.to(device)
        self._validation_photos = None if data.photos is None else data.photos.validation.to(device)
        self._steps = data.steps_per_epoch(config)
        total_steps = config.epochs * self._steps
        if total_steps < _FEWEST_STEPS:
            raise UsageError(
                f"--epochs {config.epochs} --batch-size {config.batch_size}: only {total_steps} "
                "steps; train for longer or in smaller batches"
            )
        torch.manual_seed(config.seed)
        network = build(config.arch, len(data.facts.labels)).to(device)
        # The kernels compute with channels last: converted once, nothing is converted in a step.
        self._network = network.to(memory_format=torch.channels_last)
        self._shared_network = ranks.wrapped(self._network)
        self._average = moving_average(self._network, config.ema_decay)
        self._optimizer = make_optimizer(config, self._network)
        self._schedule = make_schedule(config, self._optimizer, total_steps)
        self._augment = config.augmentation
        self._use_bf16 = use_bf16(config.precision, device)
        self._loss = TrainingLoss(
            config.label_smoothing,
            config.teacher_weight,
            config.teacher_temperature,
            _class_weights(config, data, device),
        )
        self.history: list[EpochRecord] = []

    def close(self) -> None:
        """Ends what makes the images of the next epochs."""
        self._sampler.close()

    @property
    def finished(self) -> bool:
        """All epochs are done, or the validation loss no longer improves."""
        if not self.history:
            return False
        best = min(self.history, key=lambda record: record["val_loss"])
        waited = len(self.history) - best["epoch"]
        return len(self.history) >= self._config.epochs or waited >= self._config.patience

    def run_epoch(self, callback: Callback) -> EpochRecord:
        """Trains for one epoch, validates, and adds a record to the history."""
        started = time.monotonic()
        epoch = len(self.history) + 1
        torch.manual_seed(self._epoch_seed(epoch))
        train_loss, train_accuracy = self._train_epoch(epoch, callback)
        record = self._ranks.from_first(
            lambda: self._validate(epoch, train_loss, train_accuracy, started)
        )
        if not math.isfinite(record["val_loss"]):
            raise DivergedError(epoch)
        self.history.append(record)
        return record

    def _epoch_seed(self, epoch: int) -> int:
        return self._config.seed * 1_000_003 + epoch

    def _validate(
        self, epoch: int, train_loss: float, train_accuracy: float, started: float
    ) -> EpochRecord:
        with self._narrow_weights():
            logits = predict_logits(self._average, self._validation.images)
            photo_accuracy = self._photo_accuracy()
        return EpochRecord(
            epoch=epoch,
            lr=float(self._schedule.get_last_lr()[0]),
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=float(F.cross_entropy(logits, self._validation.labels)),
            val_accuracy=_accuracy(logits, self._validation.labels),
            val_photo_accuracy=photo_accuracy,
            seconds=round(time.monotonic() - started, 3),
        )

    def _train_epoch(self, epoch: int, callback: Callback) -> tuple[float, float]:
        """Mean loss and accuracy over the epoch, of the distorted images."""
        self._network.train()
        images = self._sampler.draw(epoch)
        digits, soft_labels = images.digits, images.soft_labels
        order = torch.randperm(len(digits), device=self._device)
        batches = order[: self._steps * self._config.batch_size].view(self._steps, -1)
        if self._ranks.number:
            # The same order everywhere, and then other distortions for other images.
            torch.manual_seed(self._epoch_seed(epoch) + (self._ranks.number << 32))
        loss_sum = accuracy_sum = 0.0
        for step, batch in enumerate(batches, start=1):
            loss, accuracy = self._shared_step(digits, soft_labels, batch)
            loss_sum += loss
            if not math.isfinite(loss_sum):
                raise DivergedError(epoch)
            accuracy_sum += accuracy
            callback.on_step(
                StepReport(
                    epoch, step, self._steps, loss_sum / step, accuracy_sum / step, len(batch)
                )
            )
        return loss_sum / self._steps, accuracy_sum / self._steps

    def _shared_step(
        self, digits: Digits, soft_labels: Tensor | None, batch: Tensor
    ) -> tuple[float, float]:
        """Updates the weights once; loss and accuracy of the whole batch.

        Args:
            digits: of the epoch.
            soft_labels: of them.
            batch: their numbers, int64 ``[B]``, of which this rank computes its share.
        """
        index = self._ranks.share(batch)
        part = digits[index]
        # The gradient is the mean over the ranks, whose shares may differ by one image.
        weight = len(index) * self._ranks.count / len(batch)
        loss, logits = self.train_step(
            part, None if soft_labels is None else soft_labels[index], weight
        )
        figures = torch.stack([loss * weight, *_right_of(logits, part.labels)])
        self._ranks.average([figures])
        loss_of_batch, right, labelled = figures.tolist()
        return loss_of_batch, right / labelled if labelled else math.nan

    def train_step(
        self, batch: Digits, soft_labels: Tensor | None, weight: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Updates the weights once.

        Args:
            batch: the images, distorted here unless there are soft labels.
            soft_labels: the teacher's log-probabilities, float32 ``[B, C]``.
            weight: of these images among those of all ranks; 1 = an equal share.

        Returns:
            loss and logits ``[B, C]`` of the batch, before the weights were updated.
        """
        images = to_unit_range(batch.images)
        if self._augment is not None and soft_labels is None:
            images = self._augment(images)
        self._optimizer.zero_grad()
        with self._quantized_weights():
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._use_bf16):
                logits = self._shared_network(images).float()
            loss = self._loss(logits, batch.labels, soft_labels)
            (loss * weight).backward()
        self._optimizer.step()
        self._schedule.step()
        self._ranks.average(
            [buffer for buffer in self._network.buffers() if buffer.is_floating_point()]
        )
        self._average.update_parameters(self._network)
        # An ensemble's logits are [M, B, C] while it trains.
        return loss.detach(), logits.detach().view(-1, *logits.shape[-2:]).mean(dim=0)

    def _quantized_weights(self) -> contextlib.AbstractContextManager[None]:
        if self._config.quantization_aware:
            return fake_quantized_weights(self._network, self._config.weight_bits)
        return contextlib.nullcontext()

    def _narrow_weights(self) -> contextlib.AbstractContextManager[None]:
        """Validates what will be exported, where rounding changes predictions."""
        if self._config.weight_bits < 8:
            return fake_quantized_weights(self._average, self._config.weight_bits)
        return contextlib.nullcontext()

    def _photo_accuracy(self) -> float | None:
        photos = self._validation_photos
        if photos is None:
            return None
        return _accuracy(predict_logits(self._average, photos.images), photos.labels)

    def checkpoint(self) -> Checkpoint:
        """The state after the last epoch, for ``last.pt``."""
        latest = self.history[-1]
        return Checkpoint(
            config=self._config,
            epoch=latest["epoch"],
            val_loss=latest["val_loss"],
            val_accuracy=latest["val_accuracy"],
            data=self._facts,
            weights=_copy(self._average.module.state_dict()),
            trainer=TrainerState(
                network=self._network.state_dict(),
                average=self._average.state_dict(),
                optimizer=self._optimizer.state_dict(),
                scheduler=self._schedule.state_dict(),
                history=self.history,
            ),
        )

    def load_initial_weights(self, checkpoint: Checkpoint) -> None:
        """Takes over a checkpoint's weights, except a last layer of other classes."""
        if checkpoint.config.arch != self._config.arch:
            raise UsageError(
                f"--arch {self._config.arch}: the run to start from has {checkpoint.config.arch}"
            )
        weights = checkpoint.weights
        if checkpoint.data.labels != self._facts.labels:
            random_weights = self._network.state_dict()
            last_layer = list(random_weights)[-2:]  # its weight and its bias
            weights = weights | {name: random_weights[name] for name in last_layer}
        self._network.load_state_dict(weights)
        self._average.module.load_state_dict(weights)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes over the state of an interrupted run."""
        state = checkpoint.trainer
        if state is None:
            raise TrainingError("the run's last.pt holds no trainer state; start a new run")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of values that are refused below
                self._network.load_state_dict(state["network"])
                self._average.load_state_dict(state["average"])
                restore_optimizer(self._optimizer, state["optimizer"])
                finished = self._steps * len(state["history"])
                restore_schedule(self._schedule, state["scheduler"], finished)
        except Exception as error:
            # Any value of the file may be of any kind, and fails in torch in a way of its own.
            raise TrainingError(
                "the run's last.pt holds a damaged trainer state; start a new run"
            ) from error
        self.history = list(state["history"])


def _class_weights(config: TrainConfig, data: TrainingData, device: torch.device) -> Tensor | None:
    if config.class_weights == "none":
        return None
    return balanced_weights(data.training.labels, len(data.facts.labels)).to(device)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1 of the images that show a class."""
    right, labelled = _right_of(logits, labels)
    return float(right / labelled)


def _right_of(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """How many images show a class and are right, and how many show one, float32."""
    is_labelled = labels >= 0
    return ((logits.argmax(dim=1) == labels) & is_labelled).sum().float(), is_labelled.sum().float()


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
