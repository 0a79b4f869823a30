"""The command line of the trainer: a module for each command, its options beside its code.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import typer

from mnist_edge.cli.typer_options import with_options
from mnist_edge_trainer.cli import archs, data, evaluate, export, hub, report, runs, train, tune

__all__ = ["commands"]

commands = typer.Typer()
"""What is added to the program's own commands (by the entry point ``mnist_edge.commands``)."""

_archs = with_options(archs.ArchsOptions)(archs.archs)

commands.command(epilog=data.EXAMPLES)(with_options(data.DataOptions)(data.data))
commands.command(epilog=archs.EXAMPLES)(_archs)
commands.command("models", hidden=True)(_archs)  # its name up to 0.7
commands.command(epilog=train.EXAMPLES)(with_options(train.TrainOptions)(train.train))
commands.command(epilog=tune.EXAMPLES)(with_options(tune.TuneOptions)(tune.tune))
commands.command(epilog=runs.EXAMPLES)(with_options(runs.RunsOptions)(runs.runs))
commands.command(epilog=evaluate.EXAMPLES)(
    with_options(evaluate.EvaluateOptions)(evaluate.evaluate)
)
commands.command(epilog=report.EXAMPLES)(with_options(report.ReportOptions)(report.report))
commands.command(epilog=export.EXAMPLES)(with_options(export.ExportOptions)(export.export))
commands.command(epilog=hub.EXAMPLES)(with_options(hub.HubOptions)(hub.hub))
