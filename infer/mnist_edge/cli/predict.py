"""The command `mnist-edge predict`: options -> runner -> exit code."""

from __future__ import annotations

from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.batch.runner import predict
from mnist_edge.cli.pictures import run_pictures

__all__ = ["run"]


def run(options: PredictOptions) -> int:
    """Predicts what the options name.

    Returns:
        the exit code.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    return run_pictures(options, predict, "mnist-edge predict photo.jpg")
