"""Trains the network that finds lines of digits, on pages that are drawn as they are needed."""

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
from PIL import Image, ImageDraw
from torch import Tensor

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import TrainingError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.ahead import Ahead
from mnist_edge_trainer.numbers.line_finder_net import (
    CELL,
    REFERENCE_HEIGHT,
    LineFinderNet,
    LineMaps,
)
from mnist_edge_trainer.numbers.pages import LineTruth, random_page
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.train_reader import update_average
from mnist_edge_trainer.numbers.writers import hands, split_hands

__all__ = ["CORE", "FinderConfig", "load_finder", "target_of", "train_finder"]

CORE = 0.4
"""Height of the core of a line, of its digits' height."""

_CHUNK = 192
_MOST_CHUNKS = 1_000_000
_SAVE_SECONDS = 60.0
_STEP = 32


@dataclass(frozen=True)
class FinderConfig:
    """The recipe; fields as of `mnist_edge_trainer.numbers.train_reader.ReaderConfig`.

    Attributes:
        uses: how often each page is used: as it is, mirrored in its levels, lit in other ways.
    """

    data: str = "samples"
    writers: str = ""
    fonts: str = ""
    minutes: float = 60.0
    batch_size: int = 16
    lr: float = 3e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    uses: int = 3
    held_out: int = 60
    seed: int = 0
    threads: int = 1
    workers: int = 1


class Sample(NamedTuple):
    """A page and its target.

    Attributes:
        image: uint8 ``[H, W]``.
        target: float32 ``[5, H / 4, W / 4]``: core, weight, logarithm of the height, slant, dark.
    """

    image: np.typing.NDArray[np.uint8]
    target: np.typing.NDArray[np.float32]


def target_of(lines: Sequence[LineTruth], rows: int, columns: int) -> np.typing.NDArray[np.float32]:
    """What the network should say of a page: see `Sample`."""
    target = np.zeros((5, rows // CELL, columns // CELL), np.float32)
    target[1] = 1
    for (x0, y0), (x1, y1), height, is_dark in lines:
        length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
        cos, sin = (x1 - x0) / length, (y1 - y0) / length
        half = max(CORE / 2 * height, 0.45 * CELL)
        corners = [
            (x + side * half * -sin, y + side * half * cos)
            for x, y, side in ((x0, y0, -1), (x1, y1, -1), (x1, y1, 1), (x0, y0, 1))
        ]
        image = Image.new("L", (columns, rows))
        ImageDraw.Draw(image).polygon(corners, fill=255)
        covered = np.asarray(image.reduce(CELL), np.float32) / 255
        core = covered >= 0.5
        target[0][core] = 1
        target[1][(covered > 0.1) & ~core & (target[0] == 0)] = 0
        near = covered > 0
        target[2][near] = math.log(height / REFERENCE_HEIGHT)
        target[3][near], target[4][near] = sin, float(is_dark)
    return target


@functools.cache
def _composer(data: str, writers: str, fonts: str, held_out: int, validation: bool) -> Composer:
    """In each worker once."""
    split = split_hands(hands(Path(data), "train", Path(writers) if writers else None), held_out)
    return Composer(split[validation], Path(fonts) if fonts else None)


def _sample(composer: Composer, rng: np.random.Generator) -> Sample:
    page = random_page(composer, rng)
    return Sample(page.image, target_of(page.lines, *page.levels.shape))


def _draw(config: FinderConfig, number: int) -> list[Sample]:
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, False)
    rng = np.random.default_rng([config.seed, 11, number])
    return [_sample(composer, rng) for _ in range(_CHUNK)]


def training_pages(config: FinderConfig, count: int) -> list[Sample]:
    """Pages like those that it is trained on: to measure ranges of activations."""
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, False)
    rng = np.random.default_rng([config.seed, 14])
    return [_sample(composer, rng) for _ in range(count)]


def validation_pages(config: FinderConfig, count: int = 200) -> list[Sample]:
    """Pages with digits of writers that are held out."""
    composer = _composer(config.data, config.writers, config.fonts, config.held_out, True)
    rng = np.random.default_rng([config.seed, 12])
    return [_sample(composer, rng) for _ in range(count)]


def collate(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Pads pages to the largest: images uint8 ``[N, 1, H, W]`` and targets ``[N, 5, h, w]``."""
    rows = max(sample.image.shape[0] for sample in samples)
    columns = max(sample.image.shape[1] for sample in samples)
    images, targets = [], []
    for image, target in samples:
        down, across = rows - image.shape[0], columns - image.shape[1]
        images.append(np.pad(image, ((0, down), (0, across)), mode="edge"))
        targets.append(np.pad(target, ((0, 0), (0, down // CELL), (0, across // CELL))))
    return torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(targets))


def _batches(config: FinderConfig, first: int) -> Generator[tuple[Tensor, Tensor]]:
    pool = WorkerPool(functools.partial(_draw, config), config.workers)
    with pool, closing(Ahead(pool.map(range(first, _MOST_CHUNKS)), 2)) as chunks:
        recent: list[list[Sample]] = []
        for number, chunk in enumerate(chunks, first):
            recent = [*recent, chunk][-config.uses :]
            rng = np.random.default_rng([config.seed, 13, number])
            mixed = [sample for samples in recent for sample in samples]
            areas = np.array(
                [sample.image.shape[0] * 1_000 + sample.image.shape[1] for sample in mixed]
            )
            order = np.argsort(areas + rng.uniform(0, 20_000, len(mixed)))
            groups = np.array_split(order, max(1, len(mixed) // config.batch_size))
            for group in rng.permutation(len(groups)):
                yield collate([mixed[i] for i in groups[group]])


def _lit(images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Other light, and now and then the negative: float32 in 0..1."""
    count = len(images)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    levels = images.float() / 255
    negative = draw(0, 1) < 0.12
    levels = torch.where(negative, 1 - levels, levels)
    targets = targets.clone()
    targets[:, 4] = torch.where(negative[:, 0], 1 - targets[:, 4], targets[:, 4])
    levels = (levels ** draw(0.6, 1.6)) * draw(0.6, 1.2)
    return levels.clamp(0, 1), targets


def loss_of(maps: LineMaps, targets: Tensor) -> Tensor:
    """Cross-entropy and overlap of the core; height, slant and polarity inside it."""
    core, weight, height, slant, dark = targets.unbind(dim=1)
    bce = F.binary_cross_entropy_with_logits(maps.core, core, weight * (1 + 3 * core))
    chance = torch.sigmoid(maps.core) * weight
    both = (chance * core).sum(dim=(1, 2))
    dice = 1 - (2 * both + 1) / (chance.sum(dim=(1, 2)) + (core * weight).sum(dim=(1, 2)) + 1)
    loss = bce + 0.5 * dice.mean()
    inside = core > 0
    if inside.any():
        loss = loss + 0.5 * F.smooth_l1_loss(maps.height[inside], height[inside], beta=0.1)
        loss = loss + 0.5 * F.smooth_l1_loss(maps.slant[inside], slant[inside], beta=0.05)
        loss = loss + 0.2 * F.binary_cross_entropy_with_logits(maps.dark[inside], dark[inside])
    return loss


@torch.inference_mode()
def validate(network: LineFinderNet, samples: Sequence[Sample]) -> dict[str, float]:
    """Overlap of the core, and errors inside it."""
    network.eval()
    both = either = 0.0
    height, slant, dark, cells = 0.0, 0.0, 0.0, 0
    for sample in samples:
        image, target = collate([sample])
        maps, (core, weight, h, s, d) = network(image.float() / 255), target[0]
        found = (maps.core[0] > 0) & (weight > 0)
        wanted = core > 0
        both += float((found & wanted).sum())
        either += float((found | wanted).sum())
        height += float((maps.height[0] - h).abs()[wanted].sum())
        slant += float((maps.slant[0] - s).abs()[wanted].sum())
        dark += float(((maps.dark[0] > 0) == (d > 0.5))[wanted].sum())
        cells += int(wanted.sum())
    return {
        "overlap": round(both / max(1.0, either), 4),
        "height": round(height / max(1, cells), 4),
        "slant": round(slant / max(1, cells), 4),
        "dark": round(dark / max(1, cells), 4),
    }


def train_finder(
    config: FinderConfig, run: Path, *, resume: bool = False, log: Callable[[str], None] = print
) -> LineFinderNet:
    """Trains for some minutes, and returns the moving average of the weights.

    Args:
        config: the recipe.
        run: folder for ``last.pt``.
        resume: go on from ``last.pt``.
        log: called with a line now and then.

    Raises:
        TrainingError: the loss is not finite, or there is nothing to resume from.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = LineFinderNet().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    step, passed, chunk = 0, 0.0, 0
    make_folder(run)
    if resume:
        state = _load(run)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, passed, chunk = state["step"], state["seconds"], state["chunk"]
    pages = validation_pages(config)
    generator = torch.Generator().manual_seed(config.seed + step)
    total = 60 * config.minutes
    started = saved = time.monotonic()
    losses: list[float] = []
    with closing(_batches(config, chunk)) as batches:
        for images, targets in batches:
            progress = (passed + time.monotonic() - started) / total
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                warm = min(1.0, 0.05 + progress / 0.01)
                group["lr"] = config.lr * warm * (0.5 * (1 + math.cos(math.pi * progress)) + 1e-3)
            network.train()
            levels, wanted = _lit(images, targets, generator)
            loss = loss_of(network(levels.to(memory_format=torch.channels_last)), wanted)
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
                minutes = (passed + now - started) / 60
                record: dict[str, Any] = {"step": step, "minutes": round(minutes, 2)}
                record["loss"] = round(float(np.mean(losses)), 4)
                if step // 400 != (step - len(losses)) // 400:
                    record |= validate(average, pages)
                losses.clear()
                log(json.dumps(record))
                chunk = step * config.batch_size // (_CHUNK * config.uses) + 1
                _save(run, config, network, average, optimizer, step, 60 * minutes, chunk)
                saved = time.monotonic()
    _save(run, config, network, average, optimizer, step, total, chunk)
    log(json.dumps({"step": step} | validate(average, pages)))
    return average


def _save(
    run: Path,
    config: FinderConfig,
    network: LineFinderNet,
    average: LineFinderNet,
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
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line finder") from error
    if not isinstance(state, dict) or "average" not in state:
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line finder")
    return state


def load_finder(run: Path) -> tuple[FinderConfig, LineFinderNet, int]:
    """The recipe, the moving average, and the steps of a run.

    Raises:
        TrainingError: there is no such run.
    """
    state = _load(run)
    try:
        config = FinderConfig(**state["config"])
        network = LineFinderNet()
        network.load_state_dict(state["average"])
    except (TypeError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{run / 'last.pt'}: not a checkpoint of a line finder") from error
    return config, network.eval(), int(state["step"])
