"""`mnist-edge report`."""

from __future__ import annotations

from pathlib import Path

from mnist_edge.errors import TrainingError, UsageError
from mnist_edge_trainer.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.models import parameter_count
from mnist_edge_trainer.report import write_report

__all__ = ["report"]


def report(path: Path | None, *, output: Path | None) -> None:
    """Writes a run's ``report.html``, from what `mnist-edge evaluate` left in its folder.

    Args:
        path: the run's folder; None = the latest.
        output: the file to write; None = ``report.html`` in the run's folder.
    """
    run = RunFolder.latest() if path is None else RunFolder(path)
    output = output or run.path / "report.html"
    write_report(run.path, output, parameters=_parameters(run))
    print(f"wrote {output} ({output.stat().st_size / 1024:.0f} KiB)")


def _parameters(run: RunFolder) -> int | None:
    """Of the network that was kept; None where its checkpoint is gone or of another version."""
    try:
        return parameter_count(load_checkpoint(run.best).network())
    except (TrainingError, UsageError):
        return None
