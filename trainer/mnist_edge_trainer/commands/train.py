"""`mnist-edge train`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from mnist_edge.errors import UsageError
from mnist_edge_trainer.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.commands.say import say
from mnist_edge_trainer.config import TrainConfig
from mnist_edge_trainer.data import default_data_dir, load_digits, split_training
from mnist_edge_trainer.figures import draw_curves
from mnist_edge_trainer.live import LiveDisplay
from mnist_edge_trainer.models import build, parameter_count
from mnist_edge_trainer.photo_sets import held_out_photos, training_photos
from mnist_edge_trainer.train import PhotoSet, pick_device
from mnist_edge_trainer.train import train as run_training

__all__ = ["train"]


def train(
    options: dict[str, Any], *, data: Path | None, out: Path | None, resume: bool, device: str
) -> None:
    """Trains or resumes.

    Args:
        options: fields of `TrainConfig` that were asked for; the others keep their defaults.
        data: folder of the dataset; None = wherever it is by default.
        out: the run's folder; None = a new one, or the latest when resuming.
        resume: continue what is in it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    run = _run_to_resume(out, options) if resume else None
    config = TrainConfig(**options) if run is None else load_checkpoint(run.last).config
    parameters = parameter_count(build(config.arch))
    target = pick_device(device)
    run = run or _new_run(out, config.arch)
    training, validation = split_training(
        load_digits(data or default_data_dir(), "train"), config.val_split
    )
    say(
        f"{config.arch}, {parameters:,} parameters, seed {config.seed}, on {target}: "
        f"{len(training):,} images and {config.photos:,} simulated photographs to train on, "
        f"{len(validation):,} images to validate with; into {run.path}"
    )
    try:
        photos = None
        if config.photos:
            photos = PhotoSet(training_photos(training), held_out_photos(validation))
        with LiveDisplay(config, Console(stderr=True)) as display:
            result = run_training(
                config,
                training,
                validation,
                run,
                device=target,
                observer=display,
                photos=photos,
                resume=resume,
            )
    except KeyboardInterrupt:
        if run.last.exists():
            folder = quote(str(run.path))
            say(f"interrupted; continue with: mnist-edge train --resume --out {folder}")
        else:
            say("interrupted before the first epoch was over; there is nothing to resume")
        raise
    draw_curves(result.history, run.curves)
    print(
        f"best epoch {result.best.epoch} of {len(result.history)}"
        f"{' (stopped early)' if result.stopped_early else ''}: "
        f"validation loss {result.best.val_loss:.4f}, "
        f"accuracy {result.best.val_accuracy:.2%}, kept in {run.best}"
    )
    say(f"next: mnist-edge evaluate {quote(str(run.path))}")
    say(f"      mnist-edge export {quote(str(run.path))} --quantize")


def _run_to_resume(out: Path | None, options: dict[str, Any]) -> RunFolder:
    run = RunFolder.latest() if out is None else RunFolder(out)
    config = dataclasses.asdict(load_checkpoint(run.last).config)
    differing = [name for name, value in options.items() if config[name] != value]
    if differing:
        names = ", ".join("--" + name.replace("_", "-") for name in differing)
        raise UsageError(
            f"{names}: a resumed run keeps the options it was started with (see {run.config}); "
            "leave them out, or start a new run"
        )
    return run


def _new_run(out: Path | None, arch: str) -> RunFolder:
    if out is None:
        number = 1
        while (Path("runs") / f"{arch}-{number}").exists():
            number += 1
        return RunFolder(Path("runs") / f"{arch}-{number}")
    if os.path.exists(RunFolder(out).last):
        raise UsageError(f"--out {out}: has a run in it; add --resume, or choose another folder")
    return RunFolder(out)
