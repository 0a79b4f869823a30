"""The training of the number reader's two networks, in one folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mnist_edge.errors import UsageError
from mnist_edge_trainer.numbers.export_numbers import export_finder, export_reader
from mnist_edge_trainer.numbers.sample_source import Recipe
from mnist_edge_trainer.numbers.train_finder import FinderRecipe, load_finder, train_finder
from mnist_edge_trainer.numbers.train_reader import ReaderRecipe, load_reader, train_reader

__all__ = ["NETWORKS", "export_numbers", "exported_files", "train_numbers", "trained_networks"]


class _Network(NamedTuple):
    """One of the two.

    Attributes:
        share: of the minutes.
        recipe: its kind.
        train, load, export: what is done with it.
        file: that it is exported to.
    """

    share: float
    recipe: type[Recipe]
    train: Callable[..., object]
    load: Callable[[Path], tuple[Recipe, Any, int]]
    export: Callable[..., dict[str, float]]
    file: str


_NETWORKS = {
    "reader": _Network(
        0.6, ReaderRecipe, train_reader, load_reader, export_reader, "line-reader-int8.onnx"
    ),
    "finder": _Network(
        0.4, FinderRecipe, train_finder, load_finder, export_finder, "line-finder-int8.onnx"
    ),
}

NETWORKS = tuple(_NETWORKS)
"""Names of the networks, and of their folders in a run."""


def trained_networks(run: Path) -> list[str]:
    """Names of the networks that have a checkpoint in a run."""
    return [name for name in NETWORKS if (run / name / "last.pt").is_file()]


def train_numbers(
    run: Path,
    names: Sequence[str],
    fields: dict[str, Any],
    *,
    resume: bool = False,
    log: Callable[[str], None],
) -> None:
    """Trains the networks, one after the other.

    Args:
        run: folder; each network has one of its name in it.
        names: of `NETWORKS`, those to train.
        fields: of their recipes; `minutes` are shared by all networks, and `init_from` is a run of
            both.
        resume: go on from the checkpoints; what has none begins.
        log: called with a line of JSON every minute.

    Raises:
        UsageError: there is a checkpoint, and it is not to be resumed; or there is none.
        TrainingError: a checkpoint cannot be read, or a training diverges.
    """
    # Nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    done = trained_networks(run)
    if resume and not done:
        raise UsageError(f"{run}: there is nothing to resume")
    if not resume and set(done) & set(names):
        raise UsageError(f"{run}: is a run already; add --resume, or choose another --output")
    whole = sum(_NETWORKS[name].share for name in names)
    for name in names:
        network, own = _NETWORKS[name], dict(fields)
        is_begun = resume and name in done
        if "minutes" in own:
            own["minutes"] *= network.share / whole
        if own.get("init_from"):
            own["init_from"] = str(Path(own["init_from"]) / name)
        start = network.load(run / name)[0] if is_begun else network.recipe()
        recipe = dataclasses.replace(start, **own)
        log(f"the line {name}, for {recipe.minutes:.0f} minutes, into {run / name}")
        network.train(recipe, run / name, resume=is_begun, log=log)


def export_numbers(run: Path, output: Path, validation: int | None = None) -> list[Path]:
    """Exports the networks of a run to int8, each through its gate.

    Args:
        run: its folder.
        output: folder for the files.
        validation: samples that files and networks are compared on; None = as many as needed.

    Returns:
        the files.

    Raises:
        TrainingError: a checkpoint cannot be read.
        GateError: a file does not give what torch gives; it was not written.
    """
    chosen = {} if validation is None else {"validation": validation}
    files = exported_files(run, output)
    for name, file in zip(trained_networks(run), files, strict=True):
        _NETWORKS[name].export(run / name, file, **chosen)
    return files


def exported_files(run: Path, output: Path) -> list[Path]:
    """The files that `export_numbers` writes."""
    return [output / _NETWORKS[name].file for name in trained_networks(run)]
