"""What the commands `train`, `evaluate` and `export` do, for the command line to call.

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from mnist_edge.errors import UsageError
from mnist_edge.model import Model, bundled_models
from mnist_edge.tables import print_table
from mnist_edge_trainer import evaluate as scoring
from mnist_edge_trainer.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.config import TrainConfig
from mnist_edge_trainer.data import Digits, default_data_dir, load_digits, split_training
from mnist_edge_trainer.export import export_run
from mnist_edge_trainer.figures import draw_confusion_matrix, draw_curves, draw_rejection
from mnist_edge_trainer.live import LiveDisplay
from mnist_edge_trainer.models import build, parameter_count
from mnist_edge_trainer.photo_sets import (
    held_out_photos,
    held_out_strangers,
    training_photos,
)
from mnist_edge_trainer.photos import SEVERITIES
from mnist_edge_trainer.rejection import rejection_curve
from mnist_edge_trainer.robustness import AxisScores, Scores, measure_robustness
from mnist_edge_trainer.train import PhotoSet, pick_device
from mnist_edge_trainer.train import train as run_training

__all__ = ["evaluate", "export", "rejection", "robustness", "train"]


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
    _say(
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
            _say(f"interrupted; continue with: mnist-edge train --resume --out {folder}")
        else:
            _say("interrupted before the first epoch was over; there is nothing to resume")
        raise
    draw_curves(result.history, run.curves)
    print(
        f"best epoch {result.best.epoch} of {len(result.history)}"
        f"{' (stopped early)' if result.stopped_early else ''}: "
        f"validation loss {result.best.val_loss:.4f}, "
        f"accuracy {result.best.val_accuracy:.2%}, kept in {run.best}"
    )
    _say(f"next: mnist-edge evaluate {quote(str(run.path))}")
    _say(f"      mnist-edge export {quote(str(run.path))} --quantize")


def _say(message: str) -> None:
    print(message, file=sys.stderr)


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


def evaluate(
    target: str | None, *, split: str, data: Path | None, out: Path | None, as_json: bool
) -> None:
    """Scores a run's best checkpoint or an exported model, and draws its confusion matrix."""
    subject = _subject(target, split, data)
    result = scoring.evaluate(subject.network(subject.digits.images[:, 0].numpy()), subject.digits)
    if as_json:
        values = dataclasses.asdict(result) | {"confusion": result.confusion.tolist()}
        print(json.dumps({"model": subject.name, "split": split} | values, indent=2))
    else:
        _print_evaluation(subject.name, split, result)
    out = out or subject.folder
    if out is not None:
        picture = out / f"confusion-{split}.png"
        draw_confusion_matrix(result.confusion, picture)
        _say(f"wrote {picture}")


def robustness(
    target: str | None, *, split: str, data: Path | None, pictures: int, as_json: bool
) -> None:
    """Scores photographs of digits by what is wrong with them, beside the naive way."""
    subject = _subject(target, split, data)
    digits = subject.digits[:pictures]
    _say(f"{subject.name}: {len(digits):,} digits of the {split} split, photographed in each cell")
    axes = measure_robustness(
        subject.network,
        digits,
        on_axis=lambda axis: _say(f"  {axis.axis}: done"),
    )
    means = [
        Scores(
            *(
                sum(getattr(axis.by_severity[s], way) for axis in axes) / len(axes)
                for way in ("front_end", "naive")
            )
        )
        for s in range(len(SEVERITIES))
    ]
    rows = [*axes, AxisScores("mean", tuple(means))]
    if as_json:
        print(
            json.dumps(
                {"model": subject.name, "split": split, "pictures": len(digits)}
                | {
                    row.axis: [dataclasses.asdict(scores) for scores in row.by_severity]
                    for row in rows
                },
                indent=2,
            )
        )
        return
    print_table(
        ["axis", *(column for name in SEVERITIES for column in (name, "naive"))],
        [
            [
                row.axis,
                *(
                    f"{value:.1%}"
                    for scores in row.by_severity
                    for value in (scores.front_end, scores.naive)
                ),
            ]
            for row in rows
        ],
    )


def rejection(
    target: str | None, *, split: str, data: Path | None, out: Path | None, as_json: bool
) -> None:
    """What a least confidence keeps back, of photographs of a split and of what is no digit."""
    subject = _subject(target, split, data)
    photographs = held_out_photos(subject.digits)
    curve = rejection_curve(
        subject.network(photographs.images[:, 0].numpy()),
        photographs.labels.numpy(),
        subject.network(held_out_strangers(subject.digits).images[:, 0].numpy()),
    )
    if as_json:
        print(json.dumps([dataclasses.asdict(point) for point in curve], indent=2))
    else:
        print_table(
            [
                "least confidence",
                "photographs told right",
                "told wrong",
                "no digit, told to be one",
            ],
            [
                [f"{p.threshold:.2f}", f"{p.right:.1%}", f"{p.wrong:.1%}", f"{p.no_digit:.1%}"]
                for p in curve
            ],
        )
    out = out or subject.folder
    if out is not None:
        draw_rejection(curve, out / "rejection.png")
        _say(f"wrote {out / 'rejection.png'}")


@dataclass(frozen=True)
class _Subject:
    """What is scored: probabilities of uint8 ``[N, 28, 28]``, on which digits, and its folder."""

    name: str
    network: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    digits: Digits
    folder: Path | None


def _subject(target: str | None, split: str, data: Path | None) -> _Subject:
    if split not in ("test", "validation"):
        raise UsageError(f"--split {split}: unknown; choose test or validation")
    folder = data or default_data_dir()
    run = RunFolder.latest() if target is None else RunFolder(Path(target))
    if target is None or os.path.isdir(run.path):
        checkpoint = load_checkpoint(run.best)
        digits = _digits(folder, split, checkpoint.config.val_split)
        return _Subject(str(run.path), scoring.probabilities_of(checkpoint), digits, run.path)
    if not os.path.exists(target) and target not in bundled_models():
        raise UsageError(f"{target}: no such run or model; `mnist-edge train` makes a run")
    model = Model.load(target)
    return _Subject(target, model.run, _digits(folder, split, _val_split_of(model)), None)


def _digits(folder: Path, split: str, val_split: int) -> Digits:
    if split == "test":
        return load_digits(folder, "test")
    return split_training(load_digits(folder, "train"), val_split)[1]


def _val_split_of(model: Model) -> int:
    """How many images a file's recipe held out; our default where it does not say."""
    recipe = json.loads(model.metadata.get("training_recipe", "{}"))
    return int(recipe.get("val_split", TrainConfig().val_split))


def _print_evaluation(name: str, split: str, result: scoring.Evaluation) -> None:
    wrong = result.macro.support - int(result.confusion.trace())
    print(
        f"{name}: top-1 {result.accuracy:.2%} on {result.macro.support:,} {split} images "
        f"({wrong} wrong), cross-entropy {result.loss:.4f}\n"
    )
    named = [(str(digit), scores) for digit, scores in enumerate(result.classes)]
    print_table(
        ["digit", "precision", "recall", "F1", "images"],
        [
            [label, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}"]
            for label, s in [*named, ("macro", result.macro)]
        ],
    )
    print("\nconfusion matrix: true digit by row, predicted by column")
    print_table(
        ["", *(str(digit) for digit in range(10))],
        [
            [str(digit), *(str(count) if count else "." for count in row)]
            for digit, row in enumerate(result.confusion.tolist())
        ],
    )


def export(
    path: Path | None, *, quantize: bool, output: Path | None, data: Path | None, force: bool
) -> None:
    """Exports a run's best checkpoint through the gate and prints the comparison."""
    run = RunFolder.latest() if path is None else RunFolder(path)
    if not os.path.isdir(run.path):
        raise UsageError(f"{path}: no such run; a run is a folder that `mnist-edge train` made")
    checkpoint = load_checkpoint(run.best)
    folder = data or default_data_dir()
    result = export_run(
        checkpoint,
        load_digits(folder, "train"),
        load_digits(folder, "test"),
        output or run.path,
        with_int8=quantize,
        force=force,
        on_rows=lambda rows: print_table(
            ["precision", "top-1", "max |Δp|", "changed answers", "gate"],
            [
                [
                    row.name,
                    f"{row.accuracy:.2%}",
                    f"{row.largest_difference:.1e}",
                    str(row.changed),
                    row.failure or "passed",
                ]
                for row in rows
            ],
        ),
    )
    if result.forced:
        _say("the gate failed; written all the same because of --force")
    for file in result.files:
        print(f"wrote {file} ({file.stat().st_size / 1024:.1f} KiB)")
    best = quote(str(result.files[-1]))
    _say(f"next: mnist-edge predict samples --model {best}")
    _say(f"      mnist-edge bench --model {best}")
    _say(f"      mnist-edge info {best}")
