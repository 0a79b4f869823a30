"""How many threads a training computes with: measured at its start.

With networks as small as these, the threads of OpenMP wait for one another after every layer. On
two idle cores two threads are half as fast again as one; beside three busy processes they are
thirty times slower. So one thread it is, unless more are clearly faster at the time.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.errors import UsageError
from mnist_edge_trainer.data.facts import DataFacts
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.device import torch_threads, user_threads
from mnist_edge_trainer.training.trainer import Trainer
from mnist_edge_trainer.training.training_data import TrainingData

__all__ = ["Measurement", "Threads", "check_threads", "choose_threads", "fastest", "measure"]

_COUNTS = (1, 2, 4)
"""Numbers of threads that are tried, as far as there are cores."""

_CLEARLY = 1.15
"""A larger number must be this many times as fast as the one before."""

_ROUNDS = 2
"""A larger number must win this often in a row: other programs come and go."""

_ENOUGH_EPOCHS = 3
"""Of one step each: `Trainer` refuses fewer."""

_SECONDS = 0.07
"""How long the smaller of two numbers is measured; at least for one step."""


@dataclass(frozen=True)
class Measurement:
    """How long a training step takes.

    Attributes:
        best: the number of threads to use.
        seconds: of one step, by the number of threads, of those that were tried.
    """

    best: int
    seconds: Mapping[int, float]

    def __str__(self) -> str:
        best, *others = sorted(self.seconds, key=lambda count: count != self.best)
        times = [f"a training step takes {_milliseconds(self.seconds[best])}"]
        times += [f"{_milliseconds(self.seconds[count])} with {count}" for count in others]
        return ", ".join(times)


@dataclass(frozen=True)
class Threads:
    """How many threads a training computes with, and why so many.

    Attributes:
        count: of threads.
        reason: for the user.
    """

    count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.count} thread{'' if self.count == 1 else 's'}: {self.reason}"


def check_threads(count: int) -> None:
    """Raises UsageError where the user asks for no thread, or for more than there are cores."""
    cores = available_cores()
    if count < 1:
        raise UsageError(f"--threads {count}: must be 1 or more; leave it out to measure")
    if count > cores:
        most = "there is one core here" if cores == 1 else f"there are {cores} cores here"
        raise UsageError(
            f"--threads {count}: {most}, and more threads only wait for one another; use "
            f"--threads {cores}, or leave it out"
        )


def choose_threads(
    config: TrainConfig,
    images: Digits,
    facts: DataFacts,
    device: torch.device,
    *,
    resume: bool = False,
) -> Threads:
    """Chooses how many threads a training computes with.

    In this order: the number that a resumed run began with; the recipe's, if there are so many
    cores; the user's environment; the measured one.

    Args:
        config: the recipe.
        images: at least one batch to measure with.
        facts: of the dataset that they are of.
        device: to train on; nothing is measured unless it is the CPU.
        resume: the recipe is that of a run that is resumed.

    Raises:
        UsageError: there is no such architecture.
    """
    if config.threads and resume:
        return Threads(config.threads, "as it was begun with")
    cores, user = available_cores(), user_threads()
    too_many = ""
    if config.threads:
        if config.threads <= cores:
            return Threads(config.threads, "as --threads or the recipe says")
        too_many = f"the recipe's {config.threads} are more than there are cores; "
    if user is not None:
        return Threads(user, f"{too_many}as OMP_NUM_THREADS says")
    if device.type != "cpu":
        return Threads(torch.get_num_threads(), f"{too_many}the network is on {device}")
    if cores == 1:
        return Threads(1, f"{too_many}there is one core")
    counts = [count for count in _COUNTS if count <= cores]
    measured = measure(config, images, facts, counts)
    return Threads(measured.best, f"{too_many}{measured} (--threads overrides)")


def measure(
    config: TrainConfig, images: Digits, facts: DataFacts, counts: Sequence[int]
) -> Measurement:
    """Measures a few steps of a recipe, on a network and an optimizer of their own.

    Torch's generator and its number of threads are afterwards as they were.

    Args:
        config: the recipe.
        images: at least one batch.
        facts: of the dataset that they are of.
        counts: numbers of threads to try, in ascending order.

    Raises:
        UsageError: there is no such architecture.
    """
    with torch.random.fork_rng(devices=[]), torch_threads(0):
        return fastest(_training_step(config, images, facts), counts)


def fastest(
    step: Callable[[], None],
    counts: Sequence[int],
    *,
    clock: Callable[[], float] = time.perf_counter,
    set_threads: Callable[[int], None] = torch.set_num_threads,
) -> Measurement:
    """Finds the number of threads that a step is fastest with, the smaller one unless clearly so.

    Each number is compared with the next, and given up as soon as it cannot win any more: a step
    may take thirty times as long with it.

    Args:
        step: to be timed.
        counts: numbers of threads, in ascending order.
        clock: seconds.
        set_threads: sets the number of threads.
    """
    best, *others = counts
    timed: dict[int, float] = {}
    for count in others:
        for _ in range(_ROUNDS):
            set_threads(best)
            timed[best], steps = _time(step, clock)
            set_threads(count)
            limit = timed[best] / _CLEARLY
            timed[count], _ = _time(step, clock, steps, limit)
            if timed[count] > limit:
                return Measurement(best, timed)
        best = count
    return Measurement(best, timed)


def _time(
    step: Callable[[], None],
    clock: Callable[[], float],
    steps: int | None = None,
    limit: float = math.inf,
) -> tuple[float, int]:
    """Times a step, after one that is not counted: it starts threads, and compiles kernels.

    Args:
        step: to be timed.
        clock: seconds.
        steps: how many; None = as many as make `_SECONDS`.
        limit: stop when the mean is certain to exceed so many seconds.

    Returns:
        the mean, seconds; and how many steps it is of.
    """
    step()
    begun, done, passed = clock(), 0, 0.0
    while passed < _SECONDS if steps is None else done < steps:
        step()
        done += 1
        passed = clock() - begun
        if steps is not None and passed > limit * steps:
            break
    return passed / done, done


def _training_step(config: TrainConfig, images: Digits, facts: DataFacts) -> Callable[[], None]:
    """A training step that takes as long as those of the recipe."""
    batch = images[: config.batch_size]
    recipe = dataclasses.replace(
        config,
        batch_size=len(batch),
        epochs=_ENOUGH_EPOCHS,
        schedule="constant",
        class_weights="none",
        photos=0,
        teacher="",
        # A teacher's images are distorted ahead.
        augment=config.augment and not config.teacher,
    )
    trainer = Trainer(recipe, TrainingData(batch, batch, facts=facts), torch.device("cpu"))

    def step() -> None:
        trainer.train_step(batch, None)

    return step


def _milliseconds(seconds: float) -> str:
    return f"{1_000 * seconds:.3g} ms"
