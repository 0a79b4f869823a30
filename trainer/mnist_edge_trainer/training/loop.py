"""The training loop.

By default AdamW on a one-cycle schedule (Smith and Topin, arXiv:1708.07120); whole batches
augmented at once; and a moving average of the weights that is what gets validated and kept. Every
epoch draws its randomness from a seed of its own, so a resumed run needs no generator state to
continue to the same weights.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.augment import to_unit_range
from mnist_edge_trainer.training.checkpoint import (
    MNIST,
    Checkpoint,
    DataFacts,
    EpochRecord,
    RunFolder,
    TrainerState,
    load_checkpoint,
)
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.distillation import SoftLabelCache
from mnist_edge_trainer.training.qat import fake_quantized_weights

if TYPE_CHECKING:
    from mnist_edge_trainer.synthetic.dataset import SyntheticDataset

__all__ = [
    "Callback",
    "PhotoSet",
    "StepReport",
    "TrainResult",
    "pick_device",
    "predict_logits",
    "train",
]

_EVALUATION_BATCH = 1_000
_FEWEST_STEPS = 3

_SEED_STRIDE = 7
"""Lessons that the first one of a seed lies after the first one of the seed before."""

TensorList = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True)
class StepReport:
    """Where the training stands after one step.

    Attributes:
        epoch: counted from 1.
        step, steps: within the epoch, counted from 1; and how many there are.
        loss: running mean over the epoch, nats.
        accuracy: running mean over the epoch, of the augmented images, fraction.
        images: seen in this step.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images: int


@dataclass(frozen=True)
class PhotoSet:
    """Simulated photographs to train on and to validate with.

    Attributes:
        training: of training digits, made as they are needed.
        validation: of held-out digits.
    """

    training: SyntheticDataset
    validation: Digits


class Callback(Protocol):
    """Is told how the training goes; must not influence it."""

    def on_step(self, report: StepReport) -> None: ...

    def on_epoch(self, record: EpochRecord, is_best: bool) -> None: ...


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        best: the checkpoint with the lowest validation loss.
        history: of all epochs that were run.
        stopped_early: `patience` ran out.
    """

    best: Checkpoint
    history: list[EpochRecord]
    stopped_early: bool


def pick_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the name is unknown, or this machine has no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in available.items() if present))
    if name not in available:
        raise UsageError(f"--device {name}: unknown; choose auto, cpu, cuda or mps")
    if not available[name]:
        raise UsageError(f"--device {name}: there is none on this machine; use --device cpu")
    return torch.device(name)


@torch.inference_mode()
def predict_logits(network: nn.Module, images: Tensor) -> Tensor:
    """Logits float32 ``[N, C]`` of uint8 images ``[N, 1, 28, 28]``, in evaluation mode."""
    network.eval()
    return torch.cat([network(to_unit_range(batch)) for batch in images.split(_EVALUATION_BATCH)])


def train(
    config: TrainConfig,
    training: Digits,
    validation: Digits,
    run: RunFolder,
    *,
    device: torch.device,
    callback: Callback,
    photos: PhotoSet | None = None,
    lessons: SoftLabelCache | None = None,
    data: DataFacts = MNIST,
    start_from: Checkpoint | None = None,
    resume: bool = False,
) -> TrainResult:
    """Trains to the end, or until the validation loss has not improved for `config.patience`.

    On the CPU, the same seed on the same machine with the same number of threads gives the same
    weights, interrupted and resumed or not.

    Args:
        config: the recipe; on resuming, the one that the run was started with.
        training, validation: disjoint parts of the training set.
        run: the folder to write ``config.json``, ``recipe.toml``, ``history.csv``, ``best.pt`` and
            ``last.pt`` to.
        device: to train on.
        callback: is told of every step and epoch.
        photos: to draw `config.photos` from in every epoch; None = there are none.
        lessons: to learn from instead of `training` and the photographs for training; None = there
            is no teacher.
        data: names of the classes, and what else the model is to log of its data.
        start_from: its weights are the first; where its classes are others, all but the last
            layer's. None = random ones.
        resume: continue from ``last.pt``.

    Raises:
        UsageError: the batch is larger than the training set, or `start_from` is of another
            architecture.
        TrainingError: the loss is no longer finite, or there is nothing to resume from.
        OutputError: the folder cannot be written to.
    """
    if config.batch_size > len(training):
        raise UsageError(
            f"--batch-size {config.batch_size}: larger than the {len(training)} training images"
        )
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    trainer = _Trainer(
        config, training.to(device), validation.to(device), photos, lessons, data, device
    )
    make_folder(run.path)
    best: Checkpoint | None = None
    if resume:
        trainer.restore(load_checkpoint(run.last))
        best = load_checkpoint(run.best)
    else:
        if start_from is not None:
            trainer.start_from(start_from)
        config.save(run.config)
        config.save_recipe(run.recipe)

    while not trainer.finished:
        try:
            record = trainer.run_epoch(callback)
        except _DivergedError as error:
            kept = f"the last good checkpoint is {run.last}" if best else "no epoch was finished"
            raise TrainingError(
                f"the loss is no longer finite in epoch {error.epoch}; start again with a smaller "
                f"--lr (it was {config.lr:g}); {kept}"
            ) from error
        checkpoint = trainer.checkpoint()
        is_best = best is None or checkpoint.val_loss < best.val_loss
        if is_best:
            best = dataclasses.replace(checkpoint, trainer=None)
            best.save(run.best)
        checkpoint.save(run.last)
        _write_history(run, trainer.history)
        callback.on_epoch(record, is_best)
    if best is None:
        raise TrainingError(f"{run.path}: nothing was trained")
    return TrainResult(best, trainer.history, len(trainer.history) < config.epochs)


class _DivergedError(Exception):
    """The loss, or what the network answers, is no number any more."""

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class _Trainer:
    """Network, average, optimizer and schedule, moving forward one epoch at a time."""

    def __init__(
        self,
        config: TrainConfig,
        training: Digits,
        validation: Digits,
        photos: PhotoSet | None,
        lessons: SoftLabelCache | None,
        data: DataFacts,
        device: torch.device,
    ) -> None:
        self._config = config
        self._device = device
        self._data = data
        self._training, self._validation, self._photos = training, validation, photos
        self._lessons = lessons
        self._photographs: list[Digits] = []
        self._photos_per_epoch = 0 if photos is None else config.photos
        self._steps = (len(training) + self._photos_per_epoch) // config.batch_size
        torch.manual_seed(config.seed)
        # Channels last is how the kernels compute; converted once, nothing is in every step.
        network = build(config.arch, len(data.labels)).to(device)
        self._network = network.to(memory_format=torch.channels_last)
        self._average = AveragedModel(
            self._network, multi_avg_fn=_moving_average(config.ema_decay), use_buffers=True
        )
        self._optimizer = _optimizer(config, self._network)
        steps = config.epochs * self._steps
        if steps < _FEWEST_STEPS:
            raise UsageError(
                f"--epochs {config.epochs} --batch-size {config.batch_size}: only {steps} steps; "
                "train for longer or in smaller batches"
            )
        self._scheduler = _schedule(config, self._optimizer, steps)
        self._augment = config.augmentation
        self._use_bf16 = _use_bf16(config.precision, device)
        self.history: list[EpochRecord] = []

    @property
    def finished(self) -> bool:
        if not self.history:
            return False
        best = min(self.history, key=lambda record: record["val_loss"])
        waited = len(self.history) - best["epoch"]
        return len(self.history) >= self._config.epochs or waited >= self._config.patience

    def run_epoch(self, callback: Callback) -> EpochRecord:
        started = time.monotonic()
        epoch = len(self.history) + 1
        torch.manual_seed(self._config.seed * 1_000_003 + epoch)
        train_loss, train_accuracy = self._train_epoch(epoch, callback)
        logits = predict_logits(self._average, self._validation.images)
        record = EpochRecord(
            epoch=epoch,
            lr=float(self._scheduler.get_last_lr()[0]),
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=float(F.cross_entropy(logits, self._validation.labels)),
            val_accuracy=_accuracy(logits, self._validation.labels),
            val_photo_accuracy=self._photo_accuracy(),
            seconds=round(time.monotonic() - started, 3),
        )
        if not math.isfinite(record["val_loss"]):
            raise _DivergedError(epoch)
        self.history.append(record)
        return record

    def _train_epoch(self, epoch: int, callback: Callback) -> tuple[float, float]:
        """Mean loss and accuracy over the epoch, of the images as augmented."""
        self._network.train()
        digits, answers = self._shown_in(epoch)
        order = torch.randperm(len(digits), device=self._device)
        batches = order[: self._steps * self._config.batch_size].view(self._steps, -1)
        loss_sum = accuracy_sum = 0.0
        for step, index in enumerate(batches, start=1):
            batch = digits[index]
            loss, logits = self._train_step(batch, None if answers is None else answers[index])
            loss_sum += float(loss)
            if not math.isfinite(loss_sum):
                raise _DivergedError(epoch)
            accuracy_sum += _accuracy(logits, batch.labels)
            callback.on_step(
                StepReport(
                    epoch, step, self._steps, loss_sum / step, accuracy_sum / step, len(batch)
                )
            )
        return loss_sum / self._steps, accuracy_sum / self._steps

    def _shown_in(self, epoch: int) -> tuple[Digits, Tensor | None]:
        """Pictures to train on, and what the teacher says of them, already distorted."""
        if self._lessons is None:
            return self._digits_of_epoch(epoch), None
        # Runs of other seeds take them in another order.
        turn = epoch - 1 + self._config.seed * _SEED_STRIDE
        lesson = self._lessons.lesson(turn % self._lessons.count)
        return lesson.digits.to(self._device), lesson.answers.to(self._device)

    def _digits_of_epoch(self, epoch: int) -> Digits:
        """The training images, and photographs drawn from those that there are by now.

        One chunk more is made for every epoch, so that a short training waits for few.
        """
        if self._photos is None or self._photos_per_epoch == 0:
            return self._training
        pool = self._photos.training
        for number in range(len(self._photographs), min(epoch, pool.chunks)):
            chunk = pool.chunk(number)
            self._photographs.append(Digits.of(chunk.images, chunk.labels).to(self._device))
        made = Digits.join(self._photographs)
        drawn = torch.randint(len(made), (self._photos_per_epoch,), device=self._device)
        return Digits.join([self._training, made[drawn]])

    def _photo_accuracy(self) -> float | None:
        if self._photos is None:
            return None
        photos = self._photos.validation.to(self._device)
        return _accuracy(predict_logits(self._average, photos.images), photos.labels)

    def _train_step(self, batch: Digits, answers: Tensor | None) -> tuple[Tensor, Tensor]:
        images = to_unit_range(batch.images)
        if self._augment is not None and answers is None:
            images = self._augment(images)
        rounding = self._config.quantization_aware
        self._optimizer.zero_grad()
        with fake_quantized_weights(self._network) if rounding else contextlib.nullcontext():
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._use_bf16):
                logits = self._network(images).float()
            loss = self._loss(logits, batch.labels, answers)
            loss.backward()
        self._optimizer.step()
        self._scheduler.step()
        self._average.update_parameters(self._network)
        return loss.detach(), logits.detach().view(-1, *logits.shape[-2:]).mean(dim=0)

    def _loss(self, logits: Tensor, labels: Tensor, answers: Tensor | None) -> Tensor:
        targets = _targets(labels, logits.shape[-1])
        loss = _cross_entropy(logits, _smoothed(targets, self._config.label_smoothing))
        if answers is None:
            return loss
        weight = self._config.teacher_weight
        taught = _disagreement(logits, answers, self._config.teacher_temperature)
        return (1 - weight) * loss + weight * taught

    def checkpoint(self) -> Checkpoint:
        latest = self.history[-1]
        return Checkpoint(
            config=self._config,
            epoch=latest["epoch"],
            val_loss=latest["val_loss"],
            val_accuracy=latest["val_accuracy"],
            data=self._data,
            weights=_copy(self._average.module.state_dict()),
            trainer=TrainerState(
                network=self._network.state_dict(),
                average=self._average.state_dict(),
                optimizer=self._optimizer.state_dict(),
                scheduler=self._scheduler.state_dict(),
                history=self.history,
            ),
        )

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Takes over the weights, but of a last layer of other classes."""
        own = self._network.state_dict()
        if checkpoint.config.arch != self._config.arch:
            raise UsageError(
                f"--arch {self._config.arch}: the run to start from is of {checkpoint.config.arch}"
            )
        weights = checkpoint.weights
        if checkpoint.data.labels != self._data.labels:
            last = list(own)[-2:]  # weight and bias of the layer that gives the logits
            weights = {name: own[name] if name in last else weights[name] for name in own}
        self._network.load_state_dict(weights)
        self._average.module.load_state_dict(weights)

    def restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.trainer
        if state is None:
            raise TrainingError("the run's last.pt holds no trainer state; start a new run")
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self.history = list(state["history"])


def _optimizer(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    weights, lr, decay = network.parameters(), config.lr, config.weight_decay
    if config.optimizer == "sgd":
        momentum = config.momentum
        return torch.optim.SGD(weights, lr, momentum, weight_decay=decay, nesterov=momentum > 0)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(weights, lr, weight_decay=decay, fused=True)


def _schedule(
    config: TrainConfig, optimizer: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if config.schedule == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.lr,
        total_steps=steps,
        # At least two steps of warm-up: OneCycleLR divides by one less.
        pct_start=max(config.warmup, 2 / steps),
        cycle_momentum=False,
    )


def _moving_average(decay: float) -> Callable[[TensorList, TensorList, Tensor | int], None]:
    """Exponential average that forgets the random start: its decay grows with the steps seen."""

    @torch.no_grad()
    def update(averages: TensorList, values: TensorList, seen: Tensor | int) -> None:
        warm = min(decay, (1 + int(seen)) / (10 + int(seen)))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - warm)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    return update


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over pictures, and over members where each has logits of its own ``[M, B, C]``."""
    return -(targets * F.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


def _disagreement(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the teacher's softened probabilities, times T squared.

    The square keeps the gradient's size where T changes (Hinton et al., arXiv:1503.02531).
    """
    theirs = F.log_softmax(answers / temperature, dim=-1)
    ours = F.log_softmax(logits / temperature, dim=-1)
    return (theirs.exp() * (theirs - ours)).sum(dim=-1).mean() * temperature**2


def _smoothed(targets: Tensor, smoothing: float) -> Tensor:
    return targets * (1 - smoothing) + smoothing / targets.shape[-1]


def _use_bf16(precision: str, device: torch.device) -> bool:
    """Whether products are taken in bf16 (see `TrainConfig.precision`)."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return False


def _targets(labels: Tensor, classes: int) -> Tensor:
    """Class probabilities ``[B, C]``: all of it on the class; spread evenly for none (-1).

    D. Hendrycks, M. Mazeika, T. Dietterich, "Deep anomaly detection with outlier exposure"
    (arXiv:1812.04606).
    """
    targets = F.one_hot(labels.clamp(min=0), classes).float()
    return torch.where((labels >= 0)[:, None], targets, 1 / classes)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1 over those that are digits."""
    right = (logits.argmax(dim=1) == labels)[labels >= 0]
    return float(right.float().mean())


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _write_history(run: RunFolder, history: list[EpochRecord]) -> None:
    with (
        atomic_write(run.history) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(EpochRecord.__annotations__))
        writer.writeheader()
        writer.writerows(history)
