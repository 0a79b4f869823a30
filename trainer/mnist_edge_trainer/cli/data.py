"""`mnist-edge data`."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from mnist_edge.cli.console import log
from mnist_edge.inputs.decode import open_picture
from mnist_edge.outputs.preview import terminal_lines, wants_colour
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.data.datasets import Dataset, load_dataset, validation_size
from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.data.stats import draw_contact_sheet, examples, pixel_statistics

__all__ = ["data"]

_PAIR_WIDTH = 60
"""Columns that two digits in a terminal take, with the space behind them."""

_ROWS = 2


def data(
    *,
    dataset: str,
    data: Path | None,
    val_split: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Says what is in a dataset.

    Args:
        dataset: name of a published one.
        data: its folder, or one of the user's own pictures; None = wherever it is by default.
        val_split: images held out of the training set for validation; None = as `train` does.
        out: PNG to draw some of each class to.
        as_json: print JSON.
    """
    loaded = load_dataset(dataset, data)
    training, validation = split_training(loaded.training, validation_size(loaded, val_split))
    splits = {"training": training, "validation": validation, "test": loaded.test}
    # Before anything is printed: what cannot be drawn is no reason to print half of it all.
    if out is not None:
        draw_contact_sheet(training, loaded.labels, out)
    if as_json:
        _print_json(loaded, splits)
    else:
        if sys.stderr.isatty():
            _show(training, len(loaded.labels), sys.stderr)
        _print_tables(loaded, splits)
    if out is not None:
        log(f"wrote {out}")


def _print_json(dataset: Dataset, splits: dict[str, Digits]) -> None:
    values = {
        "dataset": dataset.name,
        "classes": dataset.labels,
        "preprocessing": dataset.preprocessing,
        "sha256": dataset.sha256,
        "splits": {
            name: {
                "images": len(digits),
                "counts": dict(zip(dataset.labels, _counts(digits, dataset), strict=True)),
            }
            | dataclasses.asdict(pixel_statistics(digits))
            for name, digits in splits.items()
        },
    }
    print(json.dumps(values, indent=2))


def _print_tables(dataset: Dataset, splits: dict[str, Digits]) -> None:
    print(f"{dataset.name}: {len(dataset.labels)} classes, preprocessing {dataset.preprocessing}")
    print(f"SHA-256 of the training images before validation is held out: {dataset.sha256}\n")
    counts = {name: _counts(digits, dataset) for name, digits in splits.items()}
    sizes = {name: len(digits) for name, digits in splits.items()}
    print_table(
        ["class", *(column for name in splits for column in (name, "%"))],
        [
            *(
                [label]
                + [
                    cell
                    for name in splits
                    for cell in (f"{counts[name][n]:,}", f"{counts[name][n] / sizes[name]:.1%}")
                ]
                for n, label in enumerate(dataset.labels)
            ),
            ["all", *(cell for name in splits for cell in (f"{sizes[name]:,}", "100.0%"))],
        ],
    )
    print("\npixels: 0 = black, 1 = white; ink = those that are not 0")
    figures = {name: pixel_statistics(digits) for name, digits in splits.items()}
    print_table(
        ["split", "mean", "std", "ink", "minimum", "maximum"],
        [
            [
                name,
                f"{pixels.mean:.4f}",
                f"{pixels.std:.4f}",
                f"{pixels.ink:.1%}",
                f"{pixels.minimum:.3f}",
                f"{pixels.maximum:.3f}",
            ]
            for name, pixels in figures.items()
        ],
    )


def _counts(digits: Digits, dataset: Dataset) -> list[int]:
    counts: list[int] = digits.labels.bincount(minlength=len(dataset.labels)).tolist()
    return counts


def _show(digits: Digits, classes: int, terminal: TextIO) -> None:
    """Draws one of each class, as many as two rows in the terminal take."""
    pairs = max(1, shutil.get_terminal_size().columns // _PAIR_WIDTH)
    colour = wants_colour(terminal)
    first = [examples(digits, label, 1) for label in range(classes)]
    shown = np.concatenate(first)[: 2 * pairs * _ROWS]
    blocks = [
        _pair(*shown[start : start + 2], colour=colour) for start in range(0, len(shown) - 1, 2)
    ]
    for start in range(0, len(blocks), pairs):
        for line in zip(*blocks[start : start + pairs], strict=True):
            terminal.write("  ".join(line) + "\n")
        terminal.write("\n")
    terminal.flush()


def _pair(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8], *, colour: bool) -> list[str]:
    """Two digits side by side; without colours, the left is drawn as ink on paper."""
    return terminal_lines(open_picture(left if colour else 255 - left), right, colour=colour)
