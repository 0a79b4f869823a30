"""`mnist-edge export`."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.data.datasets import load_again
from mnist_edge_trainer.export.export import export_run
from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint

__all__ = ["export"]


def export(
    path: Path | None, *, quantize: bool, output: Path | None, data: Path | None, force: bool
) -> None:
    """Exports a run's best checkpoint through the gate and prints the comparison."""
    run = RunFolder.latest() if path is None else RunFolder(path)
    if not os.path.isdir(run.path):
        raise UsageError(f"{path}: no such run; a run is a folder that `mnist-edge train` made")
    checkpoint = load_checkpoint(run.best)
    dataset = load_again(checkpoint.config, data)
    if dataset.sha256 != checkpoint.data.sha256:
        raise UsageError(
            f"{run.path}: was trained on other images than {dataset.name} has; point --data at its "
            "own, or train anew"
        )
    result = export_run(
        checkpoint,
        dataset.training,
        dataset.test,
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
        log("the gate failed; written all the same because of --force")
    for file in result.files:
        print(f"wrote {file} ({file.stat().st_size / 1024:.1f} KiB)")
    best = quote(str(result.files[-1]))
    log(f"next: mnist-edge predict samples --model {best}")
    log(f"      mnist-edge bench --model {best}")
    log(f"      mnist-edge info {best}")
