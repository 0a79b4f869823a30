"""Optimizer, learning-rate schedule, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from mnist_edge_trainer.training.config import TrainConfig

__all__ = [
    "make_optimizer",
    "make_schedule",
    "moving_average",
    "restore_optimizer",
    "restore_schedule",
]

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


def restore_optimizer(optimizer: Optimizer, stored: Mapping[str, Any]) -> None:
    """Takes over what an optimizer of the same recipe remembered of its steps.

    Everything else is the recipe's, and not read from the file.

    Args:
        optimizer: new, as `make_optimizer` made it; its learning rate is set too.
        stored: its `state_dict`.

    Raises:
        ValueError: the state is not one of this optimizer and this network; or an error of torch's.
    """
    new = optimizer.state_dict()
    (group,), (stored_group,) = new["param_groups"], stored["param_groups"]
    learning_rate, highest = stored_group["lr"], group.get("max_lr", group["lr"])
    if type(learning_rate) is not float or not 0 <= learning_rate <= 1.01 * highest:
        raise ValueError("not the recipe's learning rate")
    groups = [group | {"lr": learning_rate}]
    optimizer.load_state_dict({"state": stored["state"], "param_groups": groups})
    names = {"momentum_buffer"} if isinstance(optimizer, SGD) else {"step", "exp_avg", "exp_avg_sq"}
    for parameter, state in optimizer.state.items():
        if state.keys() != names:
            raise ValueError("not the state of this optimizer")
        for value in state.values():
            if value is None and isinstance(optimizer, SGD):
                continue  # without momentum there is no buffer
            if value.shape not in (parameter.shape, ()):
                raise ValueError("not the state of this network")


def restore_schedule(schedule: LRScheduler, stored: Mapping[str, Any], steps: int) -> None:
    """Takes over the position of a schedule of the same recipe.

    Args:
        schedule: new, as `make_schedule` made it.
        stored: its `state_dict`.
        steps: that were taken.

    Raises:
        ValueError: the schedule was at another step.
    """
    if stored["last_epoch"] != steps:
        raise ValueError("not the schedule of this run")
    position = {name: stored[name] for name in ("last_epoch", "_step_count", "_last_lr")}
    if type(position["_step_count"]) is not int or not isinstance(position["_last_lr"][0], float):
        raise ValueError("not the state of a schedule")
    schedule.load_state_dict(schedule.state_dict() | position)


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
