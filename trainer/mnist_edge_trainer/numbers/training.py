"""The training that both networks of the number reader share: one loop, one kind of checkpoint."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import swa_utils

from mnist_edge.errors import TrainingError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.numbers.sample_source import Recipe, Source
from mnist_edge_trainer.training.device import use_bf16

__all__ = ["Subject", "load_run", "train"]

_SAVE_SECONDS = 60.0
_WARM_UP = 0.01
_CLIP = 2.0
"""Largest norm of a step's gradient."""

S = TypeVar("S")
B = TypeVar("B")
M = TypeVar("M", bound=nn.Module)


C = TypeVar("C", bound=Recipe)


@dataclass(frozen=True)
class Subject(Generic[M, S, B]):
    """A network, and how it learns.

    Attributes:
        name: what errors call it.
        make: the network, with random weights.
        source: of its samples.
        collate: makes a batch of samples.
        loss: of a batch, given how much of the training is done, 0..1, and a source of randomness.
        validate: figures of merit over held-out samples.
        held_out: so many of them.
    """

    name: str
    make: Callable[[], M]
    source: Source[S]
    collate: Callable[[Sequence[S]], B]
    loss: Callable[[M, B, float, torch.Generator], Tensor]
    validate: Callable[[M, Sequence[S]], dict[str, float]]
    held_out: int


@dataclass
class _State(Generic[M]):
    """A training as it is checkpointed.

    Attributes:
        recipe: as it was begun with.
        network, average: the weights, and their moving average.
        optimizer: of the weights.
        step: steps that were done.
        seconds: that they took.
    """

    recipe: Recipe
    network: M
    average: M
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, run: Path) -> None:
        """Writes ``last.pt``."""
        content = {
            "config": asdict(self.recipe),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with atomic_write(run / "last.pt") as partial:
            torch.save(content, partial)

    def restore(self, stored: dict[str, Any]) -> None:
        """Takes over what was saved."""
        self.network.load_state_dict(stored["network"])
        self.average.load_state_dict(stored["average"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.step, self.seconds = int(stored["step"]), float(stored["seconds"])


def train(
    subject: Subject[M, S, B], run: Path, *, resume: bool = False, log: Callable[[str], None]
) -> M:
    """Trains for some minutes, and returns the moving average of the weights.

    Args:
        subject: the network, with its recipe.
        run: folder for ``last.pt``.
        resume: go on from ``last.pt``.
        log: called with a line of JSON every minute.

    Raises:
        TrainingError: the loss is not finite, or there is nothing to resume, or to start, from.
    """
    recipe = subject.source.recipe
    torch.set_num_threads(recipe.threads)
    make_folder(run)
    state = _begun(subject, recipe)
    if resume:
        with _refused(run, subject.name):
            state.restore(_stored(run, subject.name))
    validation = subject.source.validation(subject.held_out)
    saved = time.monotonic()
    for losses in _steps(subject, state):
        if time.monotonic() - saved > _SAVE_SECONDS:
            minutes, loss = round(state.seconds / 60, 2), round(float(np.mean(losses)), 4)
            losses.clear()
            state.save(run)
            merit = subject.validate(state.average, validation)
            log(json.dumps({"step": state.step, "minutes": minutes, "loss": loss, **merit}))
            saved = time.monotonic()
    state.save(run)
    log(json.dumps({"step": state.step, **subject.validate(state.average, validation)}))
    return state.average


def _begun(subject: Subject[M, S, B], recipe: Recipe) -> _State[M]:
    torch.manual_seed(recipe.seed)
    network = subject.make()
    if recipe.init_from:
        start = Path(recipe.init_from)
        with _refused(start, subject.name):
            network.load_state_dict(_stored(start, subject.name)["average"])
    network = network.to(memory_format=torch.channels_last)
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
    return _State(recipe, network, copy.deepcopy(network), optimizer)


def _steps(subject: Subject[M, S, B], state: _State[M]) -> Iterator[list[float]]:
    """Takes steps until the time is over; yields the losses so far after each."""
    recipe, source = state.recipe, subject.source
    generator = torch.Generator().manual_seed(recipe.seed + state.step)
    is_bf16 = use_bf16(recipe.precision, torch.device("cpu"))
    losses: list[float] = []
    first = source.next_chunk(state.step) if state.step else 0
    begun = 0.0
    with closing(source.batches(first)) as batches:
        for samples in batches:
            # From the first batch on: workers take some seconds to draw it.
            begun = begun or time.monotonic() - state.seconds
            state.seconds = time.monotonic() - begun
            progress = state.seconds / (60 * recipe.minutes)
            if progress >= 1:
                return
            for group in state.optimizer.param_groups:
                group["lr"] = recipe.lr * _schedule(progress)
            state.network.train()
            batch = subject.collate(samples)
            with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
                loss = subject.loss(state.network, batch, progress, generator)
            state.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(state.network.parameters(), _CLIP)
            state.optimizer.step()
            state.step += 1
            decay = min(recipe.ema_decay, state.step / (state.step + 10))
            _update_average(state.average, state.network, decay)
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise TrainingError(
                    f"the loss is no longer finite at step {state.step}; use a smaller lr"
                )
            yield losses


def _schedule(progress: float) -> float:
    """A short warm-up, then half a cosine."""
    if progress < _WARM_UP:
        return 0.05 + 0.95 * progress / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * progress)) + 1e-3


def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves an average of weights, and of the norms' statistics, towards the network's."""
    means, news = average.state_dict().values(), network.state_dict().values()
    pairs = list(zip(means, news, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    swa_utils.get_ema_multi_avg_fn(decay)([m for m, _ in floats], [n for _, n in floats], 0)
    for mean, new in pairs:
        if not mean.is_floating_point():
            mean.copy_(new)


class _refused:  # noqa: N801 - reads as a block
    """Makes a TrainingError of whatever a checkpoint of something else fails with."""

    def __init__(self, run: Path, name: str) -> None:
        self._message = f"{run / 'last.pt'}: not a checkpoint of a {name}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Any value of the file may be of any kind, and fails in torch in a way of its own.
        if isinstance(error, Exception) and not isinstance(error, TrainingError):
            raise TrainingError(self._message) from error


def _stored(run: Path, name: str) -> dict[str, Any]:
    with _refused(run, name):
        stored: dict[str, Any] = torch.load(run / "last.pt", weights_only=True)
        if not {"config", "network", "average", "step"} <= stored.keys():
            raise ValueError("not all of it")
    return stored


def load_run(run: Path, name: str, kind: type[C], make: Callable[[C], M]) -> tuple[C, M, int]:
    """The recipe of a run, the moving average of its weights in evaluation mode, and its steps.

    Args:
        run: its folder.
        name: what errors call the network.
        kind: of the recipe.
        make: the network of a recipe.

    Raises:
        TrainingError: there is no such run.
    """
    stored = _stored(run, name)
    with _refused(run, name):
        known = {field.name for field in fields(kind)}
        recipe = kind(**{key: value for key, value in stored["config"].items() if key in known})
        network = make(recipe)
        network.load_state_dict(stored["average"])
        step = int(stored["step"])
    return recipe, network.eval(), step
