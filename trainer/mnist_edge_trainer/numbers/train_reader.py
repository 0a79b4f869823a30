"""Trains the network that reads lines, on lines that are drawn as they are needed.

CTC alone finds out slowly where symbols lie. Here their places are known, so two further losses
help: each symbol's class in the middle of its box, less and less as training goes on, and its box.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import swa_utils

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import TrainingError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.numbers.line_images import LineSample, random_line
from mnist_edge_trainer.numbers.line_reader import LineReaderNet
from mnist_edge_trainer.numbers.reader_batches import (
    Batch,
    collate,
    loss_of,
    validate,
    worn,
)
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.writers import hands, split_hands

__all__ = [
    "Batch",
    "ReaderConfig",
    "collate",
    "load_reader",
    "loss_of",
    "train_reader",
    "update_average",
]

_CHUNK = 1_024
"""Lines that are drawn together, and sorted by width."""

_MOST_CHUNKS = 1_000_000
_SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class ReaderConfig:
    """The recipe.

    Attributes:
        data: folder of MNIST's files.
        writers: folder or file of QMNIST's labels; "" = searched for near `data`.
        fonts: folder of typefaces beside matplotlib's; "" = none.
        minutes: that it trains for; the learning rate follows them.
        batch_size: lines of a step.
        lr: highest learning rate, of AdamW.
        weight_decay: of AdamW.
        ema_decay: of the moving average of the weights, which is validated and kept.
        uses: how often each line is used before it is dropped.
        width: of the network, of its usual numbers of channels.
        held_out: writers to validate with.
        seed: of weights and lines.
        threads: that torch computes with.
        workers: processes that draw lines.
    """

    data: str = "samples"
    writers: str = ""
    fonts: str = ""
    minutes: float = 60.0
    batch_size: int = 64
    lr: float = 2.5e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.999
    uses: int = 2
    width: float = 1.0
    held_out: int = 60
    seed: int = 0
    threads: int = 1
    workers: int = 1


@functools.cache
def _composer(data: str, writers: str, fonts: str, held_out: int, validation: bool) -> Composer:
    """In each worker once."""
    split = split_hands(hands(Path(data), "train", Path(writers) if writers else None), held_out)
    return Composer(split[validation], Path(fonts) if fonts else None)


def _draw(config: ReaderConfig, number: int) -> list[LineSample]:
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, False)
    rng = np.random.default_rng([config.seed, 1, number])
    return [random_line(composer, rng) for _ in range(_CHUNK)]


def training_lines(config: ReaderConfig, count: int) -> list[LineSample]:
    """Lines like those that it is trained on: to measure ranges of activations."""
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, False)
    rng = np.random.default_rng([config.seed, 4])
    return [random_line(composer, rng) for _ in range(count)]


def validation_lines(
    config: ReaderConfig, count: int = 1_000, kind: str = "hand"
) -> list[LineSample]:
    """Lines of writers that are held out."""
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, True)
    rng = np.random.default_rng([config.seed, 2])
    return [random_line(composer, rng, kind) for _ in range(count)]


def _batches(config: ReaderConfig, first: int) -> Generator[Batch]:
    """Batches without an end, drawn ahead by other processes; each line comes `uses` times."""
    pool = WorkerPool(functools.partial(_draw, config), config.workers)
    with pool, closing(Ahead(pool.map(range(first, _MOST_CHUNKS)), 2)) as chunks:
        recent: list[list[LineSample]] = []
        for number, chunk in enumerate(chunks, first):
            recent = [*recent, chunk][-config.uses :]
            rng = np.random.default_rng([config.seed, 3, number])
            mixed = [line for lines in recent for line in lines]
            widths = np.array([line.image.shape[1] for line in mixed]) + rng.uniform(
                0, 24, len(mixed)
            )
            order = np.argsort(widths)
            groups = np.array_split(order, max(1, len(mixed) // config.batch_size))
            for group in rng.permutation(len(groups)):
                yield collate([mixed[i] for i in groups[group]])


def train_reader(
    config: ReaderConfig, run: Path, *, resume: bool = False, log: Callable[[str], None] = print
) -> LineReaderNet:
    """Trains for some minutes, and returns the moving average of the weights.

    Args:
        config: the recipe.
        run: folder for ``last.pt``, ``reader.json`` and ``history.jsonl``.
        resume: go on from ``last.pt``.
        log: called with a line now and then.

    Raises:
        TrainingError: the loss is not finite, or there is nothing to resume from.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = LineReaderNet(width=config.width).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.lr)
    step, passed, chunk = 0, 0.0, 0
    make_folder(run)
    if resume:
        state = _load(run)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, passed, chunk = state["step"], state["seconds"], state["chunk"]
    lines = validation_lines(config)
    generator = torch.Generator().manual_seed(config.seed + step)
    total = 60 * config.minutes
    started = saved = time.monotonic()
    losses: list[float] = []
    with closing(_batches(config, chunk)) as batches:
        for batch in batches:
            progress = (passed + time.monotonic() - started) / total
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = config.lr * _schedule(progress)
            network.train()
            images = worn(batch.images, generator).to(memory_format=torch.channels_last)
            loss = loss_of(network(images), batch, max(0.1, 1 - 2 * progress))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            step += 1
            update_average(average, network, min(config.ema_decay, step / (step + 10)))
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise TrainingError(
                    f"the loss is no longer finite at step {step}; use a smaller lr"
                )
            now = time.monotonic()
            if now - saved > _SAVE_SECONDS:
                record = {
                    "step": step,
                    "minutes": round((passed + now - started) / 60, 2),
                    "loss": round(float(np.mean(losses)), 4),
                    "lines": round(validate(average, lines), 4),
                }
                losses.clear()
                log(json.dumps(record))
                chunk = step * config.batch_size // (_CHUNK * config.uses) + 1
                _save(run, config, network, average, optimizer, step, passed + now - started, chunk)
                saved = time.monotonic()
    _save(run, config, network, average, optimizer, step, total, chunk)
    log(json.dumps({"step": step, "lines": round(validate(average, lines), 4)}))
    return average


def _groups(network: torch.nn.Module, decay: float) -> list[dict[str, Any]]:
    """Biases and norms do not decay."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _schedule(progress: float) -> float:
    """A short warm-up, then half a cosine."""
    if progress < 0.01:
        return 0.05 + 0.95 * progress / 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress))) + 1e-3


def update_average(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Moves an average of weights, and of the norms' statistics, towards the network's."""
    means, news = average.state_dict().values(), network.state_dict().values()
    pairs = list(zip(means, news, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    swa_utils.get_ema_multi_avg_fn(decay)([m for m, _ in floats], [n for _, n in floats], 0)
    for mean, new in pairs:
        if not mean.is_floating_point():
            mean.copy_(new)


def _save(
    run: Path,
    config: ReaderConfig,
    network: LineReaderNet,
    average: LineReaderNet,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
    chunk: int,
) -> None:
    state = {
        "config": asdict(config),
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": seconds,
        "chunk": chunk,
    }
    with atomic_write(run / "last.pt") as partial:
        torch.save(state, partial)


def _load(run: Path) -> dict[str, Any]:
    try:
        state = torch.load(run / "last.pt", weights_only=True)
    except Exception as error:
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line reader") from error
    if not isinstance(state, dict) or "average" not in state:
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line reader")
    return state


def load_reader(run: Path) -> tuple[ReaderConfig, LineReaderNet, int]:
    """The recipe, the moving average, and the steps of a run.

    Raises:
        TrainingError: there is no such run.
    """
    state = _load(run)
    try:
        config = ReaderConfig(**state["config"])
        network = LineReaderNet(width=config.width)
        network.load_state_dict(state["average"])
    except (TypeError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line reader") from error
    return config, network.eval(), int(state["step"])
