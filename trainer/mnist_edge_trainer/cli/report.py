"""`mnist-edge report`: a run's report in one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mnist_edge.cli.console import log
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import DATA, RUN, examples, print_line, training_packages

__all__ = ["EXAMPLES", "ReportOptions", "report"]

EXAMPLES = examples("mnist-edge report", "mnist-edge report runs/mine --output report.html")


@dataclass(frozen=True)
class ReportOptions:
    """Options of `mnist-edge report`."""

    run: Path | None = option(None, **RUN)
    output: Path | None = option(
        None,
        "Write to this file.",
        metavar="FILE.html",
        shown_default="RUN/report.html",
    )
    data: Path | None = option(None, **DATA)


def report(options: ReportOptions) -> None:
    """Write a run's report: two pages, in one HTML file that opens offline.

    Data, model, curves, metrics, confusion matrix, mistakes, published results for comparison, and
    what to try next. If the run is not evaluated yet, this is done first.
    """
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.architectures.registry import count_parameters
        from mnist_edge_trainer.evaluation.assessment import evaluate_run, is_evaluated
        from mnist_edge_trainer.reporting.report import write_report
        from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint
        from mnist_edge_trainer.training.device import limit_threads
        from mnist_edge_trainer.training.run_plan import files_of

    limit_threads()
    run = RunFolder.latest() if options.run is None else RunFolder(options.run)
    checkpoint = load_checkpoint(run.best)
    parameters = count_parameters(checkpoint.network())
    output = options.output or run.path / "report.html"
    files = (path for path in run.path.iterdir() if path.suffix != ".html")
    refuse_if_input(output, chain(files, files_of(checkpoint.config, options.data)), "--output")
    # The validation split says what to try next.
    for split in ("validation", "test"):
        if not is_evaluated(run, split):
            log(f"{run.path}: evaluating it on the {split} split")
            evaluate_run(run, split, options.data, log)
    write_report(run.path, output, parameters=parameters)
    print_line(f"wrote {output} ({output.stat().st_size / 1024:.0f} KiB)")
