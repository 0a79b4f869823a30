"""What simulated photographs look like to a network: `python -m tests.photo_statistics FILE`.

Describes the photographs of the version on the PYTHONPATH. `photographs.json`, beside the test,
describes those of simulator version 1, with which later ones are compared: a faster simulator must
not be another one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mnist_edge.errors import NoDigitError
from mnist_edge.mnist import load_split
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.synthetic.dataset import SyntheticDataset
from mnist_edge_trainer.synthetic.render import render
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES

__all__ = ["MIXED", "describe", "photographs_of"]

MIXED = "for training"
"""Name of the photographs that a network is trained on; the others are of one corruption each."""

_MIXED, _OF_EACH = 1_000, 90
"""Photographs that the description is made from."""

Description = dict[str, list[float]]
"""Of each property, its mean and standard deviation over the photographs."""


def describe(images: GrayImage, taken: int) -> Description:
    """Describes preprocessed photographs.

    Args:
        images: uint8 ``[N, 28, 28]``.
        taken: photographs of which these are the ones in which a digit was found.
    """
    flat, ink = images.reshape(len(images), -1), images > 127
    properties = {
        "mean level": flat.mean(axis=1),
        "spread": flat.std(axis=1),
        "ink share": ink.mean(axis=(1, 2)),
        "rows with ink": ink.any(axis=2).mean(axis=1),
        "columns with ink": ink.any(axis=1).mean(axis=1),
    } | {
        f"levels from {low}": ((flat >= low) & (flat < low + 32)).mean(axis=1)
        for low in range(0, 256, 32)
    }
    described = {
        name: [round(float(moment), 6) for moment in (values.mean(), values.std())]
        for name, values in properties.items()
    }
    found = len(images) / taken
    return {"found": [found, float(np.sqrt(found * (1 - found)))]} | described


def photographs_of(corruption: str, digits: GrayImage, seed: int, *more: Any) -> GrayImage:
    """Takes and preprocesses a photograph of each digit, of all severities in turn.

    Args:
        corruption: one of `CORRUPTIONS`.
        digits: uint8 ``[N, 28, 28]``.
        seed: of the scenes.
        more: arguments for `render`.

    Returns:
        uint8 ``[M, 28, 28]``, those in which a digit was found.
    """
    found = []
    for index, digit in enumerate(digits):
        rng = np.random.default_rng([seed, index])
        scene = CORRUPTIONS[corruption](rng, index % len(SEVERITIES))
        try:
            found.append(preprocess_one(render(digit, scene, rng, *more)))
        except NoDigitError:
            continue
    return np.array(found, np.uint8).reshape(-1, SIDE, SIDE)


def mixed_photographs(first: int, count: int) -> GrayImage:
    """Takes photographs to train on, of some digits of the training set, and preprocesses them."""
    images, labels = load_split(Path(__file__).parents[1] / "samples", "train")
    part = slice(first, first + count)
    with tempfile.TemporaryDirectory() as cache:
        dataset = SyntheticDataset(images[part], labels[part].astype(np.int64), Path(cache))
        return dataset.chunk(0).images


def main() -> None:
    images, _ = load_split(Path(__file__).parents[1] / "samples", "train")
    described = {
        MIXED: {"photographs": _MIXED} | describe(mixed_photographs(0, _MIXED), _MIXED),
        **{
            corruption: {"photographs": _OF_EACH}
            | describe(photographs_of(corruption, images[1_000 : 1_000 + _OF_EACH], 1), _OF_EACH)
            for corruption in CORRUPTIONS
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
