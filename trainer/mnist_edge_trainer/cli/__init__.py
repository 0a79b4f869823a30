"""The command line of the trainer: a module for each command, its options beside its code."""

from mnist_edge_trainer.cli.options import commands

__all__ = ["commands"]
