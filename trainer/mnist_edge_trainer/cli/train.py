"""`mnist-edge train`: starts a training run, or resumes one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from mnist_edge.cli.console import log
from mnist_edge.cli.exit_codes import ExitCode
from mnist_edge.errors import UsageError
from mnist_edge_trainer.cli.common import examples, print_line, training_packages, warn_of_missing
from mnist_edge_trainer.cli.train_options import TrainOptions

if TYPE_CHECKING:
    import torch

    from mnist_edge.model import Model
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.training.checkpoint import RunFolder
    from mnist_edge_trainer.training.config import TrainConfig
    from mnist_edge_trainer.training.distillation import SoftLabelCache
    from mnist_edge_trainer.training.loop import TrainResult
    from mnist_edge_trainer.training.ranks import Ranks
    from mnist_edge_trainer.training.run_plan import RunPlan
    from mnist_edge_trainer.training.training_data import PhotoSet

__all__ = ["EXAMPLES", "TrainOptions", "train"]

EXAMPLES = examples(
    "mnist-edge train",
    "mnist-edge train --epochs 1 --photos 0 --output runs/quick",
    "mnist-edge train --arch small --fast",
    "mnist-edge train --arch lenet --recipe classic",
    "mnist-edge train --resume --output runs/quick",
    "mnist-edge train --config runs/quick/recipe.toml --seed 1",
    "mnist-edge train --dataset fashion-mnist --arch resnet --epochs 20",
    "mnist-edge train --init-from runs/quick --data my-pictures",
    "mnist-edge train --task numbers --minutes 180 --writers qmnist",
)


def train(options: TrainOptions) -> None:
    """Train a network.

    Writes best.pt, last.pt, config.json, recipe.toml, history.csv and curves.png into the run's
    folder, and events for TensorBoard where that is installed. An interrupted run (Ctrl-C) can be
    resumed from its last complete epoch. With --task numbers, the two networks of `read`, each with
    its last.pt.
    """
    if options.task == "numbers":
        if os.environ.get("WORLD_SIZE", "1") != "1":
            raise UsageError("--task numbers: trains in one process; start it without torchrun")
        from mnist_edge_trainer.cli.train_numbers import train_numbers

        train_numbers(options)
        return
    with training_packages():
        from mnist_edge_trainer.aliases import current_fields
        from mnist_edge_trainer.training.device import pick_device
        from mnist_edge_trainer.training.ranks import joined
        from mnist_edge_trainer.training.run_lock import locked
        from mnist_edge_trainer.training.run_plan import (
            check_new,
            chosen_fields,
            plan_new_run,
            plan_resumed_run,
            shared_plan,
        )
        from mnist_edge_trainer.training.threads import check_threads

    def make_plan() -> RunPlan:
        if options.threads is not None:
            check_threads(options.threads)
        fields = current_fields(_recipe_fields(options) | chosen_fields(options))
        make = plan_resumed_run if options.resume else plan_new_run
        plan = make(fields, options.data, options.output, log)
        _refuse_overwriting(plan, options)
        return plan

    with joined(pick_device(options.device)) as (ranks, device), _printed_by_first(ranks):
        plan = shared_plan(make_plan, options.data, ranks)
        with locked(plan.run.path) if ranks.is_first else nullcontext():
            if not options.resume:
                # Again: another training may have ended since.
                ranks.from_first(lambda: check_new(plan.run))
            _train(plan, device, ranks, resume=options.resume)


@contextlib.contextmanager
def _printed_by_first(ranks: Ranks) -> Iterator[None]:
    """Lets rank 0 alone print, and the others end without a word where it says why."""
    from mnist_edge_trainer.training.ranks import KnownError

    if ranks.is_first:
        yield
        return
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            yield
    except KnownError as error:
        is_usage = isinstance(error.error, UsageError)
        raise SystemExit(ExitCode.USAGE if is_usage else ExitCode.SOME_FAILED) from error


def _refuse_overwriting(plan: RunPlan, options: TrainOptions) -> None:
    """Refuses a run whose files are those that it is made of."""
    from mnist_edge.outputs.atomic import refuse_if_input
    from mnist_edge_trainer.training.checkpoint import RunFolder
    from mnist_edge_trainer.training.run_plan import files_of

    config, run = plan.config, plan.run
    inputs: list[str | Path] = [config.teacher]
    inputs += [options.config] if options.config else []
    inputs += [RunFolder(Path(config.init_from)).best] if config.init_from else []
    written = (*run.files, run.curves)
    # A resumed run reads what it has written, and `plan.config` names what it began with.
    for path in written[-2:] if options.resume else written:
        refuse_if_input(path, chain(inputs, files_of(config, None)), "--output")


def _train(plan: RunPlan, device: torch.device, ranks: Ranks, *, resume: bool) -> None:
    from mnist_edge_trainer.data.splits import missing_classes, split_training
    from mnist_edge_trainer.evaluation.plots import draw_curves
    from mnist_edge_trainer.training.checkpoint import history_of
    from mnist_edge_trainer.training.distillation import load_teacher
    from mnist_edge_trainer.training.threads import choose_threads

    config, run, labels = plan.config, plan.run, plan.dataset.labels
    training, validation = split_training(plan.dataset.training, config.val_split)
    threads = ranks.from_first(
        lambda: choose_threads(config, training, plan.dataset.facts, device, resume=resume)
    )
    config = dataclasses.replace(config, threads=threads.count)
    plan = dataclasses.replace(plan, config=config)
    teacher = load_teacher(config.teacher, labels) if config.teacher else None
    _announce(plan, training, validation, device)
    log(str(threads))
    warn_of_missing(missing_classes(validation, labels))
    try:
        result = _run(plan, training, validation, teacher, device, ranks, resume=resume)
    except KeyboardInterrupt:
        if not ranks.is_first:
            raise
        if run.last.exists():
            draw_curves(history_of(run), run.curves)
            folder = quote(str(run.path))
            log(f"interrupted; continue with: mnist-edge train --resume --output {folder}")
        else:
            log("interrupted before the first epoch was complete; there is nothing to resume")
        raise
    if ranks.is_first:
        draw_curves(result.history, run.curves)
        _print_result(result, run)


def _recipe_fields(options: TrainOptions) -> dict[str, Any]:
    """Fields of the recipe that the options name."""
    from mnist_edge_trainer.training.config import load_recipe, named_recipe

    name = "fast" if options.fast else options.recipe
    if name is not None:
        return named_recipe(name)
    return {} if options.config is None else load_recipe(options.config)


def _run(
    plan: RunPlan,
    training: Digits,
    validation: Digits,
    teacher: Model | None,
    device: torch.device,
    ranks: Ranks,
    *,
    resume: bool,
) -> TrainResult:
    from rich.console import Console

    from mnist_edge_trainer.training.callbacks import LiveDisplay, with_tensorboard
    from mnist_edge_trainer.training.loop import train as run_training
    from mnist_edge_trainer.training.training_data import PhotoSet, TrainingData

    photos = soft_labels = None
    if plan.config.photos:
        # It imports the simulator, which a run without photographs does not need.
        with training_packages():
            from mnist_edge_trainer.synthetic.dataset import held_out_photos, training_photos

        with ranks.first_here():
            photos = PhotoSet(training_photos(training), held_out_photos(validation))
    if teacher is not None:
        with ranks.first_here():
            soft_labels = _soft_labels(plan.config, teacher, training, photos)
    with (
        LiveDisplay(plan.config, Console(stderr=True)) as display,
        with_tensorboard(display, plan.run) if ranks.is_first else nullcontext(display) as callback,
    ):
        return run_training(
            plan.config,
            TrainingData(training, validation, photos, soft_labels, plan.dataset.facts),
            plan.run,
            device=device,
            callback=callback,
            init_from=plan.start,
            resume=resume,
            ranks=ranks,
        )


def _soft_labels(
    config: TrainConfig, teacher: Model, training: Digits, photos: PhotoSet | None
) -> SoftLabelCache:
    """The teacher's soft labels; needs all photographs at once, since a view draws from all."""
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.training.distillation import SoftLabelCache

    chunks = [] if photos is None else map(photos.training.chunk, range(photos.training.chunks))
    rendered = [Digits.of(chunk.images, chunk.labels) for chunk in chunks]
    return SoftLabelCache(
        training,
        Digits.join(rendered) if rendered else training[:0],
        config.photos,
        teacher,
        config.augmentation,
        config.distill_views,
    )


def _announce(plan: RunPlan, training: Digits, validation: Digits, device: torch.device) -> None:
    from mnist_edge_trainer.architectures.registry import build, count_macs, count_parameters

    config = plan.config
    network = build(config.arch, len(plan.dataset.labels))
    photos = f" and {config.photos:,} simulated photographs" if config.photos else ""
    log(
        f"{config.arch}, {count_parameters(network):,} parameters, "
        f"{count_macs(network):,} multiplications, seed {config.seed}, on {device}: "
        f"{len(training):,} images of {plan.dataset.name}{photos} to train on, "
        f"{len(validation):,} images to validate with; into {plan.run.path}"
    )


def _print_result(result: TrainResult, run: RunFolder) -> None:
    print_line(
        f"best epoch {result.best.epoch} of {len(result.history)}"
        f"{' (stopped early)' if result.stopped_early else ''}: "
        f"validation loss {result.best.val_loss:.4f}, "
        f"accuracy {result.best.val_accuracy:.2%}, kept in {run.best}"
    )
    folder = quote(str(run.path))
    log(f"next: mnist-edge evaluate {folder}")
    log(f"      mnist-edge export {folder} --quantize")
