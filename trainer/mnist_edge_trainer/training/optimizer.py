"""Optimizer, learning-rate schedule, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from mnist_edge_trainer.training.config import TrainConfig

__all__ = ["make_optimizer", "make_schedule", "moving_average"]

TensorList: TypeAlias = tuple[Tensor, ...] | list[Tensor]


def make_optimizer(config: TrainConfig, network: nn.Module) -> Optimizer:
    """The recipe's optimizer of all parameters of the network."""
    parameters, lr, decay = network.parameters(), config.lr, config.weight_decay
    if config.optimizer == "sgd":
        momentum = config.momentum
        return SGD(parameters, lr, momentum, weight_decay=decay, nesterov=momentum > 0)
    kind = Adam if config.optimizer == "adam" else AdamW
    return kind(parameters, lr, weight_decay=decay, fused=True)


def make_schedule(config: TrainConfig, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The recipe's learning rate over `steps` steps.

    One-cycle: Smith and Topin, "Super-Convergence", arXiv:1708.07120.
    """
    if config.schedule == "constant":
        return ConstantLR(optimizer, factor=1.0)
    return OneCycleLR(
        optimizer,
        max_lr=config.lr,
        total_steps=steps,
        # At least two steps of warm-up: OneCycleLR divides by one less.
        pct_start=max(config.warmup, 2 / steps),
        cycle_momentum=False,
    )


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average (EMA) of a network's weights and buffers.

    Its decay grows with the steps seen, so that it forgets the random initial weights.

    Args:
        network: `AveragedModel.update_parameters` takes its weights after each step.
        decay: of the average, per step, in the long run; 0 = the last weights themselves.
    """
    return AveragedModel(network, multi_avg_fn=_ema_update(decay), use_buffers=True)


def _ema_update(decay: float) -> Callable[[TensorList, TensorList, Tensor | int], None]:
    @torch.no_grad()
    def update(averages: TensorList, values: TensorList, seen: Tensor | int) -> None:
        current_decay = min(decay, (1 + int(seen)) / (10 + int(seen)))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - current_decay)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    return update
