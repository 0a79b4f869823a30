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
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.export.gate import GateRow

__all__ = ["EXAMPLES", "ExportOptions", "export"]

EXAMPLES = examples(
    "mnist-edge export --quantize",
    "mnist-edge export runs/mine --quantize --output digits.onnx",
    "mnist-edge export runs/numbers --quantize",
    "mnist-edge export --model mnist-edge-pico-int8 --c firmware",
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
    c: Path | None = option(
        None, "Write the int8 network as C99 sources too, into this folder.", metavar="FOLDER"
    )
    model: str | None = option(
        None,
        "With --c: an int8 .onnx file, or a bundled model's name, in place of a run.",
        metavar="MODEL",
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
    if options.model is not None:
        _export_model_to_c(options)
        return
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
    with_int8 = options.quantize or options.c is not None
    for path in output_paths(options.output or run.path, with_int8).values():
        refuse_if_input(
            path, chain(run.files, files_of(checkpoint.config, options.data)), "--output"
        )
    result = export_run(
        checkpoint,
        dataset.training,
        dataset.test,
        options.output or run.path,
        with_int8=with_int8,
        force=options.force,
        on_rows=_print_checks,
    )
    if result.forced:
        log("the gate failed; written all the same because of --force")
    for file in result.files:
        print_line(f"wrote {file} ({file.stat().st_size / 1024:.1f} KiB)")
    if options.c is not None:
        file = result.files[-1]
        _write_c(file.read_bytes(), str(file), dataset.test, options.c)
    best = quote(str(result.files[-1]))
    log(f"next: mnist-edge predict samples --model {best}")
    log(f"      mnist-edge bench --model {best}")
    log(f"      mnist-edge info {best}")


def _is_number_run(run: Path) -> bool:
    """Whether `mnist-edge train --task numbers` made it."""
    return any((run / name / "last.pt").is_file() for name in ("reader", "finder"))


def _export_model_to_c(options: ExportOptions) -> None:
    with training_packages():
        from mnist_edge.bundled import read_model
        from mnist_edge_trainer.evaluation.target import load_target

    if options.c is None:
        raise UsageError("--model: an .onnx file is exported to C alone; add --c FOLDER")
    if options.run is not None or options.output is not None:
        raise UsageError("--model: takes the place of a run; leave out the run and --output")
    target = load_target(options.model, "test", options.data, log)
    assert options.model is not None
    _write_c(read_model(options.model), options.model, target.digits, options.c)


def _write_c(content: bytes, name: str, test: Digits, folder: Path) -> None:
    """Writes the sources, and prints what they were compared with."""
    with training_packages():
        from mnist_edge_trainer.c_export.export_c import FILES, export_c

    gate = export_c(content, name, test, folder)
    if gate is None:
        log("there is no C compiler here: the sources were not compared with onnxruntime")
    else:
        print_line(
            f"C: top-1 {gate.accuracy:.2%}; of {gate.images:,} test images {gate.changed} "
            f"predicted differently from onnxruntime, {gate.different} with another logit"
        )
    for file in FILES:
        print_line(f"wrote {folder / file}")
    log(f"next: cc -O2 {quote(str(folder))}/*.c -o check && ./check")


def _export_numbers(run: Path, options: ExportOptions) -> None:
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.numbers.number_run import export_numbers, exported_files

    if not options.quantize:
        raise UsageError(f"{run}: the networks of numbers are exported to int8; add --quantize")
    if options.c is not None:
        raise UsageError("--c: there is no C for the networks of numbers")
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
