"""The command `mnist-edge read`: options -> runner -> exit code."""

from __future__ import annotations

from mnist_edge.batch.read_options import ReadOptions
from mnist_edge.batch.runner import read
from mnist_edge.cli.pictures import run_pictures

__all__ = ["run"]


def run(options: ReadOptions) -> int:
    """Reads what the options name.

    Returns:
        the exit code.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    return run_pictures(options, read, "mnist-edge read envelope.jpg")
