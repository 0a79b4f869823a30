"""Trains and exports the number reader: `python -m mnist_edge_trainer.numbers COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from mnist_edge.errors import MnistEdgeError
from mnist_edge_trainer.numbers.export_numbers import export_finder, export_reader
from mnist_edge_trainer.numbers.train_finder import FinderRecipe, train_finder
from mnist_edge_trainer.numbers.train_reader import ReaderRecipe, train_reader

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Runs one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m mnist_edge_trainer.numbers")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, recipe, what in (
        ("train-reader", ReaderRecipe, "reads lines"),
        ("train-finder", FinderRecipe, "finds lines"),
    ):
        command = commands.add_parser(name, help=f"train the network that {what}")
        command.add_argument("run", type=Path, help="folder of the run")
        command.add_argument("--data", default="samples", help="folder of MNIST's files")
        command.add_argument("--writers", default="", help="folder or file of QMNIST's labels")
        command.add_argument("--fonts", default="", help="folder of typefaces, beside matplotlib's")
        command.add_argument("--init-from", default="", help="run whose weights to start from")
        command.add_argument("--minutes", type=float, default=60.0)
        command.add_argument("--lr", type=float, default=recipe.lr, help="highest learning rate")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--resume", action="store_true", help="go on with the run")
    for name in ("export-reader", "export-finder"):
        command = commands.add_parser(name, help="write a run's int8 file")
        command.add_argument("run", type=Path, help="folder of the run")
        command.add_argument("output", type=Path, help="the .onnx file to write")
        command.add_argument("--validation", type=int, default=1_000, help="samples to compare on")
    chosen = vars(parser.parse_args(arguments))
    name, run = chosen.pop("command"), chosen.pop("run")
    # Nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if name == "train-reader":
        resume = chosen.pop("resume")
        train_reader(ReaderRecipe(**chosen), run, resume=resume, log=_log)
    elif name == "train-finder":
        resume = chosen.pop("resume")
        train_finder(FinderRecipe(**chosen), run, resume=resume, log=_log)
    else:
        export = export_reader if name == "export-reader" else export_finder
        print(json.dumps(export(run, chosen["output"], chosen["validation"])))


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except MnistEdgeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
