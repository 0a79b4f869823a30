"""`mnist-edge report`."""

from __future__ import annotations

from pathlib import Path

from mnist_edge.cli.console import log
from mnist_edge_trainer.architectures.registry import count_parameters
from mnist_edge_trainer.evaluation.assessment import evaluate_run, is_evaluated
from mnist_edge_trainer.reporting.report import write_report
from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint

__all__ = ["report"]


def report(path: Path | None, *, data: Path | None, output: Path | None) -> None:
    """Writes a run's ``report.html``, evaluating it first where that was not done since.

    Args:
        path: the run's folder; None = the latest.
        data: the dataset's folder; None = wherever it is by default.
        output: the file to write; None = ``report.html`` in the run's folder.
    """
    run = RunFolder.latest() if path is None else RunFolder(path)
    parameters = count_parameters(load_checkpoint(run.best).network())
    # What to try next is learnt from the validation split.
    for split in ("validation", "test"):
        if not is_evaluated(run, split):
            log(f"{run.path}: evaluating it on the {split} split")
            evaluate_run(run, split, data, log)
    output = output or run.path / "report.html"
    write_report(run.path, output, parameters=parameters)
    print(f"wrote {output} ({output.stat().st_size / 1024:.0f} KiB)")
