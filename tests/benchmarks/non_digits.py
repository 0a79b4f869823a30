"""Non-digits that a model answers, kind by kind.

    python tests/benchmarks/non_digits.py [MODEL ...] [--omniglot ZIP ...] [--pictures 300]

Drawn kinds are photographs from the simulator, of scenes that no training photograph has.
Omniglot's archives ("images_background_small1.zip"; Lake, Salakhutdinov, Tenenbaum 2015, MIT) have
characters that people wrote, and no network was trained on them.
"""

from __future__ import annotations

import argparse
import functools
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from mnist_edge import DigitClassifier
from mnist_edge.errors import ImageError
from mnist_edge.inputs.decode import decode
from mnist_edge.model import Model
from mnist_edge.preprocess.preprocessor import preprocess
from mnist_edge.types import GrayImage
from mnist_edge_trainer.data.splits import default_data_dir, load_digits, split_training
from mnist_edge_trainer.synthetic.camera import TRAINING_CAMERA
from mnist_edge_trainer.synthetic.negatives import NEGATIVE_KINDS
from mnist_edge_trainer.synthetic.render import render, render_blank
from mnist_edge_trainer.synthetic.scenes import random_scene
from mnist_edge_trainer.workers import map_in_workers

BLANK = "blank pages"

_SEED = 2028

_VALIDATION = 5_000
"""Digits that no released network was trained on."""


def photograph(kind: str, digits: GrayImage, index: int) -> GrayImage | None:
    """What the network gets of a photograph of a non-digit; None = nothing was found in it."""
    rng = np.random.default_rng([_SEED, index, *kind.encode()])
    draw = render_blank if kind == BLANK else render
    negative = NEGATIVE_KINDS["shapes" if kind == BLANK else kind](digits, rng)
    picture = draw(negative, random_scene(rng), rng, TRAINING_CAMERA)
    return preprocessed(picture)


def preprocessed(picture: Image.Image) -> GrayImage | None:
    """What the network gets of a picture; None = nothing was found in it."""
    pixels = np.asarray(picture) if picture.mode == "RGB" else decode(picture)
    (image,) = preprocess([pixels], [None])
    return None if isinstance(image, ImageError) else image


def alphabets(archives: Sequence[Path]) -> dict[str, list[GrayImage | None]]:
    """Omniglot's characters, preprocessed, by archive and alphabet."""
    found: dict[str, list[GrayImage | None]] = {}
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    picture = Image.open(io.BytesIO(archive.read(name)))
                    alphabet = f"{path.stem[-6:]} {name.split('/')[1]}"
                    found.setdefault(alphabet, []).append(preprocessed(picture))
    return found


def answered(model: Model, images: Sequence[GrayImage | None], threshold: float) -> float:
    """Part of the pictures whose confidence reaches a threshold, fraction of all."""
    given = [image for image in images if image is not None]
    return float((model.run(np.stack(given)).max(axis=1) >= threshold).sum() / len(images))


def main() -> None:
    """Prints a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mnist-edge-int8"])
    parser.add_argument("--omniglot", nargs="*", type=Path, default=[])
    parser.add_argument("--pictures", type=int, default=300)
    options = parser.parse_args()
    _, validation = split_training(load_digits(default_data_dir(), "train"), _VALIDATION)
    digits = validation.images[:1_000, 0].numpy()
    sets = alphabets(options.omniglot)
    for kind in (*NEGATIVE_KINDS, BLANK):
        make = functools.partial(photograph, kind, digits)
        sets[kind] = list(map_in_workers(make, range(options.pictures)))
    for name in options.models:
        classifier = DigitClassifier(name)
        table = Table("kind", "pictures", "default", "over 0.5", "over 0.9", title=name)
        thresholds = (classifier.min_confidence, 0.5, 0.9)
        for kind, images in sets.items():
            shares = [answered(classifier.model, images, threshold) for threshold in thresholds]
            table.add_row(kind, str(len(images)), *(f"{share:.1%}" for share in shares))
        Console().print(table)


if __name__ == "__main__":
    main()
