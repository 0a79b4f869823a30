"""`mnist-edge export`: a run's best checkpoint as ONNX files, through the export gate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import (
    DATA,
    NEGATED,
    RUN,
    examples,
    print_line,
    training_packages,
)

if TYPE_CHECKING:
    from mnist_edge_trainer.export.gate import GateRow

__all__ = ["EXAMPLES", "ExportOptions", "export"]

EXAMPLES = examples(
    "mnist-edge export --quantize",
    "mnist-edge export runs/mine --quantize --output digits.onnx",
    "mnist-edge export runs/numbers --quantize",
)


@dataclass(frozen=True)
class ExportOptions:
    """Options of `mnist-edge export`."""

    run: Path | None = option(None, **RUN)
    quantize: bool = option(
        False, "Write an int8 file too.", "--quantize", hidden_flags=(NEGATED.format("quantize"),)
    )
    output: Path | None = option(
        None,
        "A folder, or a path ending in .onnx; the int8 file is written beside it.",
        metavar="PATH",
        shown_default="the run's folder",
    )
    data: Path | None = option(None, **DATA)
    force: bool = option(
        False,
        "Write the files even if a check fails.",
        "--force",
        hidden_flags=(NEGATED.format("force"),),
    )


def export(options: ExportOptions) -> None:
    """Write ONNX files, verified to give the same predictions.

    torch, fp32 and int8 are compared on all test images. If a check fails, nothing is written.
    """
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.export.export import export_run, output_paths
        from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint
        from mnist_edge_trainer.training.device import limit_threads
        from mnist_edge_trainer.training.run_plan import files_of, load_dataset_of

    limit_threads()
    if options.run is not None and _is_number_run(options.run):
        _export_numbers(options.run, options)
        return
    run = RunFolder.latest() if options.run is None else RunFolder(options.run)
    if not os.path.isdir(run.path):
        raise UsageError(
            f"{options.run}: no such run; a run is a folder that `mnist-edge train` made"
        )
    checkpoint = load_checkpoint(run.best)
    dataset = load_dataset_of(checkpoint.config, options.data, log)
    if dataset.sha256 != checkpoint.data.sha256:
        raise UsageError(
            f"{run.path}: was trained on other images than {dataset.name} has; point --data at "
            "those, or train again"
        )
    for path in output_paths(options.output or run.path, options.quantize).values():
        refuse_if_input(
            path, chain(run.files, files_of(checkpoint.config, options.data)), "--output"
        )
    result = export_run(
        checkpoint,
        dataset.training,
        dataset.test,
        options.output or run.path,
        with_int8=options.quantize,
        force=options.force,
        on_rows=_print_checks,
    )
    if result.forced:
        log("the gate failed; written all the same because of --force")
    for file in result.files:
        print_line(f"wrote {file} ({file.stat().st_size / 1024:.1f} KiB)")
    best = quote(str(result.files[-1]))
    log(f"next: mnist-edge predict samples --model {best}")
    log(f"      mnist-edge bench --model {best}")
    log(f"      mnist-edge info {best}")


def _is_number_run(run: Path) -> bool:
    """Whether `mnist-edge train --task numbers` made it."""
    return any((run / name / "last.pt").is_file() for name in ("reader", "finder"))


def _export_numbers(run: Path, options: ExportOptions) -> None:
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.numbers.number_run import export_numbers, exported_files

    if not options.quantize:
        raise UsageError(f"{run}: the networks of numbers are exported to int8; add --quantize")
    if options.force:
        raise UsageError("--force: a network of numbers must pass its gate")
    folder = options.output or run
    if folder.suffix == ".onnx":
        raise UsageError(f"--output {folder}: there are two files; give a folder")
    for path in exported_files(run, folder):
        refuse_if_input(path, run.glob("*/last.pt"), "--output")
    for path in export_numbers(run, folder):
        print_line(f"wrote {path} ({path.stat().st_size / 1024:.1f} KiB)")
    log(f"next: mnist-edge evaluate --numbers {quote(str(folder))}")


def _print_checks(rows: Sequence[GateRow]) -> None:
    """What the export gate compared."""
    from mnist_edge.outputs.terminal_table import print_table

    print_table(
        ["precision", "top-1", "max |Δp|", "changed predictions", "gate"],
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
    )
