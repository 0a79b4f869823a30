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
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import swa_utils

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import TrainingError
from mnist_edge.numbers.alphabet import BLANK
from mnist_edge.numbers.text_line import LINE_HEIGHT
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.numbers.line_images import LineSample, random_line
from mnist_edge_trainer.numbers.line_reader import COLUMN, LineReaderNet, LineScores
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

_WIDTH_STEP = 16
"""Batches are padded to multiples of this: fewer shapes for the kernels to prepare for."""

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


class Batch(NamedTuple):
    """Lines of similar width.

    Attributes:
        images: uint8 ``[N, 1, 32, W]``.
        labels: int64 ``[N, S]``, padded with 0.
        lengths: int64 ``[N]``: symbols of each.
        boxes: float32 ``[N, S, 4]``, pixels; padded with -1000.
    """

    images: Tensor
    labels: Tensor
    lengths: Tensor
    boxes: Tensor


def collate(lines: Sequence[LineSample]) -> Batch:
    """Pads lines to the widest."""
    width = max(line.image.shape[1] for line in lines)
    width = -(-width // _WIDTH_STEP) * _WIDTH_STEP
    most = max(1, max(len(line.symbols) for line in lines))
    images = np.zeros((len(lines), 1, LINE_HEIGHT, width), np.uint8)
    labels = np.zeros((len(lines), most), np.int64)
    boxes = np.full((len(lines), most, 4), -1_000, np.float32)
    for number, line in enumerate(lines):
        images[number, 0, :, : line.image.shape[1]] = line.image
        for place, (label, box) in enumerate(line.symbols):
            labels[number, place], boxes[number, place] = label, box
    lengths = np.array([len(line.symbols) for line in lines])
    return Batch(*map(torch.from_numpy, (images, labels, lengths, boxes)))


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


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """The little that makes a line another one when it is used again: float32 in 0..1."""
    count = len(images)
    gain = 0.85 + 0.3 * torch.rand(count, 1, 1, 1, generator=generator)
    noise = 0.03 * torch.rand(count, 1, 1, 1, generator=generator)
    grain = torch.randn(images.shape, generator=generator)
    return (images.float() / 255 * gain + noise * grain).clamp(0, 1)


def loss_of(scores: LineScores, batch: Batch, guidance: float) -> Tensor:
    """CTC, the classes in the middle of symbols, and their boxes.

    Args:
        scores: of the batch.
        batch: what the lines show.
        guidance: weight of the classes in the middle of the boxes.
    """
    columns = scores.logits.shape[1]
    log_probabilities = scores.logits.log_softmax(dim=2)
    loss = F.ctc_loss(
        log_probabilities.transpose(0, 1),
        batch.labels,
        torch.full_like(batch.lengths, columns),
        batch.lengths,
        BLANK,
        zero_infinity=True,
    )
    x = (torch.arange(columns) + 0.5)[None, None] * COLUMN  # middles of the columns
    left, _, right, _ = (side[..., None] for side in batch.boxes.unbind(dim=2))
    width = (right - left).clamp(min=1)
    distance = (x - (left + right) / 2).abs() / width  # [N, S, T]; 0.5 at the box's sides
    nearest, symbol = distance.min(dim=1)
    target = batch.boxes.gather(1, symbol[..., None].expand(-1, -1, 4))
    middle = x[0].expand(len(target), -1)
    wanted = torch.stack(
        [middle - target[..., 0], target[..., 1], target[..., 2] - middle, target[..., 3]], dim=2
    )
    inside = nearest < 0.6
    if inside.any():
        off = F.smooth_l1_loss(scores.boxes[inside], wanted[inside] / LINE_HEIGHT, beta=0.05)
        loss = loss + 2.0 * off
    if guidance:
        label = batch.labels.gather(1, symbol)
        classes = torch.where(nearest < 0.25, label, torch.full_like(label, -1))
        classes[(distance > 0.5 + COLUMN / width).all(dim=1)] = BLANK
        loss = loss + guidance * F.nll_loss(
            log_probabilities.flatten(0, 1), classes.flatten(), ignore_index=-1
        )
    return loss


@torch.inference_mode()
def read_greedily(network: LineReaderNet, images: Tensor) -> list[list[int]]:
    """The classes of each line's best path."""
    network.eval()
    best = network(images.float() / 255).logits.argmax(dim=2)
    read = []
    for row in best.tolist():
        path = [label for label, before in zip(row, [BLANK, *row], strict=False) if label != before]
        read.append([label for label in path if label != BLANK])
    return read


def validate(network: LineReaderNet, lines: Sequence[LineSample]) -> float:
    """Share of lines of which every symbol is right."""
    order = sorted(range(len(lines)), key=lambda i: lines[i].image.shape[1])
    right = 0
    for start in range(0, len(order), 64):
        part = [lines[i] for i in order[start : start + 64]]
        for read, line in zip(read_greedily(network, collate(part).images), part, strict=True):
            right += read == [symbol.label for symbol in line.symbols]
    return right / len(lines)


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
            images = _worn(batch.images, generator).to(memory_format=torch.channels_last)
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
