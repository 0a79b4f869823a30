"""`mnist-edge train --task numbers`: the two networks of `mnist-edge read`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from shlex import quote

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge_trainer.cli.common import training_packages
from mnist_edge_trainer.cli.train_options import TrainOptions

__all__ = ["train_numbers"]

_OWN = (
    *("task", "minutes", "network", "writers", "fonts"),
    *("data", "seed", "lr", "init_from", "threads", "batch_size", "weight_decay"),
    *("output", "resume", "device"),
)
"""Options that mean something here."""

_RECIPE = (
    *("minutes", "writers", "fonts", "data", "seed", "lr", "init_from", "threads"),
    *("batch_size", "weight_decay"),
)


def train_numbers(options: TrainOptions) -> None:
    """Trains them.

    Raises:
        UsageError: an option is not one of this task; or as of `number_run.train_numbers`.
    """
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.numbers import number_run
        from mnist_edge_trainer.training.run_lock import locked

    _refuse_others(options)
    names = number_run.NETWORKS if options.network is None else (options.network,)
    if options.network is not None and options.network not in number_run.NETWORKS:
        known = " or ".join(number_run.NETWORKS)
        raise UsageError(f"--network {options.network}: unknown; choose {known}")
    fields = {name: getattr(options, name) for name in _RECIPE}
    fields = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in fields.items()
        if value is not None
    }
    run = options.output or Path("runs") / "numbers"
    if options.init_from is not None:
        inputs = [options.init_from / name / "last.pt" for name in names]
        for name in names:
            refuse_if_input(run / name / "last.pt", inputs, "--output")
    with locked(run):
        try:
            number_run.train_numbers(run, names, fields, resume=options.resume, log=log)
        except KeyboardInterrupt:
            again = f"mnist-edge train --task numbers --resume --output {quote(str(run))}"
            log(f"interrupted; continue with: {again}")
            raise
    log(f"next: mnist-edge export {quote(str(run))} --quantize")


def _refuse_others(options: TrainOptions) -> None:
    for field in dataclasses.fields(options):
        if field.name not in _OWN and getattr(options, field.name) != field.default:
            flag = f"--{field.name.replace('_', '-')}"
            raise UsageError(f"{flag}: is of --task digits; leave it out")
