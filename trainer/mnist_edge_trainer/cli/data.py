"""`mnist-edge data`: what is in a dataset."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mnist_edge.cli.console import log
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import (
    DATA,
    DATASET,
    JSON_FLAGS,
    VAL_SPLIT,
    examples,
    print_line,
    training_packages,
    warn_of_missing,
)

if TYPE_CHECKING:
    from mnist_edge.types import GrayImage
    from mnist_edge_trainer.data.datasets import Dataset
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.data.stats import PixelStatistics

__all__ = ["EXAMPLES", "DataOptions", "data"]

EXAMPLES = examples(
    "mnist-edge data",
    "mnist-edge data --dataset fashion-mnist --output sheet.png",
    "mnist-edge data --data my-pictures",
)

_PAIR_WIDTH = 60
"""Columns that two digits in a terminal take, with the space behind them."""

_ROWS = 2


@dataclass(frozen=True)
class DataOptions:
    """Options of `mnist-edge data`."""

    dataset: str | None = option(None, **DATASET)
    data: Path | None = option(None, **DATA)
    val_split: int | None = option(None, **VAL_SPLIT)
    output: Path | None = option(
        None, "Draw examples of each class.", metavar="FILE.png", hidden_flags=("--out",)
    )
    as_json: bool = option(False, *JSON_FLAGS)


def data(options: DataOptions) -> None:
    """Show what is in a dataset: images of each class and split, and their pixels."""
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.data.datasets import (
            DEFAULT_DATASET,
            dataset_files,
            load_dataset,
            validation_size,
        )
        from mnist_edge_trainer.data.splits import missing_classes, split_training
        from mnist_edge_trainer.data.stats import draw_contact_sheet, examples, pixel_statistics

    dataset = load_dataset(options.dataset or DEFAULT_DATASET, options.data, log)
    size = validation_size(dataset, options.val_split)
    training, validation = split_training(dataset.training, size)
    warn_of_missing(missing_classes(validation, dataset.labels))
    # Before anything is printed: where it fails, nothing is.
    if options.output is not None:
        files = dataset_files(options.dataset or DEFAULT_DATASET, options.data)
        refuse_if_input(options.output, files, "--output")
        draw_contact_sheet(training, dataset.labels, options.output)
    splits = {"training": training, "validation": validation, "test": dataset.test}
    counts = {name: _counts(digits, dataset) for name, digits in splits.items()}
    pixels = {name: pixel_statistics(digits) for name, digits in splits.items()}
    if options.as_json:
        _print_json(dataset, counts, pixels)
    else:
        if sys.stderr.isatty():
            _show([examples(training, n, 1) for n in range(len(dataset.labels))], sys.stderr)
        _print_tables(dataset, counts, pixels)
    if options.output is not None:
        log(f"wrote {options.output}")


def _counts(digits: Digits, dataset: Dataset) -> list[int]:
    """Images of each class."""
    counts: list[int] = digits.labels.bincount(minlength=len(dataset.labels)).tolist()
    return counts


def _print_json(
    dataset: Dataset, counts: Mapping[str, list[int]], pixels: Mapping[str, PixelStatistics]
) -> None:
    splits = {
        name: {
            "images": sum(counts[name]),
            "counts": dict(zip(dataset.labels, counts[name], strict=True)),
            **asdict(pixels[name]),
        }
        for name in counts
    }
    values = {
        "dataset": dataset.name,
        "classes": dataset.labels,
        "preprocessing": dataset.preprocessing,
        "sha256": dataset.sha256,
        "splits": splits,
    }
    print(json.dumps(values, indent=2))


def _print_tables(
    dataset: Dataset, counts: Mapping[str, list[int]], pixels: Mapping[str, PixelStatistics]
) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    print_line(
        f"{dataset.name}: {len(dataset.labels)} classes, preprocessing {dataset.preprocessing}"
    )
    print(f"SHA-256 of the training images before validation is held out: {dataset.sha256}\n")
    header = ["class"]
    rows = [[label] for label in (*dataset.labels, "all")]
    for name, of_split in counts.items():
        header += [name, "%"]
        total = sum(of_split)
        for row, count in zip(rows, (*of_split, total), strict=True):
            row += [f"{count:,}", f"{count / total:.1%}"]
    print_table(header, rows)
    print("\npixels: 0 = black, 1 = white; ink = those that are not 0")
    print_table(
        ["split", "mean", "std", "ink", "minimum", "maximum"],
        [
            [
                name,
                f"{of_split.mean:.4f}",
                f"{of_split.std:.4f}",
                f"{of_split.ink:.1%}",
                f"{of_split.minimum:.3f}",
                f"{of_split.maximum:.3f}",
            ]
            for name, of_split in pixels.items()
        ],
    )


def _show(images: Sequence[GrayImage], terminal: TextIO) -> None:
    """Draws one image of each class, as many as two rows in the terminal take."""
    import numpy as np

    from mnist_edge.outputs.preview import wants_colour

    pairs = max(1, shutil.get_terminal_size().columns // _PAIR_WIDTH)
    colour = wants_colour(terminal)
    shown = np.concatenate(images)[: 2 * pairs * _ROWS]
    blocks = [
        _pair(shown[start], shown[start + 1], colour=colour)
        for start in range(0, len(shown) - 1, 2)
    ]
    for start in range(0, len(blocks), pairs):
        for line in zip(*blocks[start : start + pairs], strict=True):
            terminal.write("  ".join(line) + "\n")
        terminal.write("\n")
    terminal.flush()


def _pair(left: GrayImage, right: GrayImage, *, colour: bool) -> list[str]:
    """Two digits side by side; without colours, the left is drawn as ink on paper."""
    from mnist_edge.inputs.decode import open_picture
    from mnist_edge.outputs.preview import terminal_lines

    return terminal_lines(open_picture(left if colour else 255 - left), right, colour=colour)
