"""Shared by the tests of evaluation: real digits, their predictions, and a small run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from mnist_edge.mnist import load_split
from mnist_edge.model import Model, bundled_models
from mnist_edge.types import GrayImage
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.datasets import IMAGE_FOLDER, load_dataset
from mnist_edge_trainer.evaluation import assessment, image_grids, plots
from mnist_edge_trainer.evaluation.metrics import Labels, Probabilities
from mnist_edge_trainer.training.checkpoint import Checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from tests.conftest import SAMPLES

Digits = tuple[GrayImage, Labels]
Draw = Callable[[Path], None]

PICTURES = ("confusion", "mistakes", "predictions", "reliability", "saliency")
"""Pictures that are drawn of each split."""

VALIDATION_IMAGES = 20


def drawn(draw: Draw) -> Figure:
    """The figure that a function draws, without rendering it."""
    figures: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, image_grids):
            patch.setattr(module, "save_figure", lambda figure, _: figures.append(figure))
        draw(Path("unused.png"))
    (figure,) = figures
    return figure


def words_of(draw: Draw) -> list[str]:
    """Every line of text in a figure."""
    texts = [text.get_text() for text in drawn(draw).findobj(Text)]
    return [line for text in texts for line in text.splitlines()]


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The first 2,000 test images of MNIST, and their classes."""
    images, labels = load_split(SAMPLES, "test")
    return images[:2_000], labels[:2_000].astype(np.int64)


@pytest.fixture(scope="session")
def probabilities(digits: Digits) -> Probabilities:
    """Predictions of the bundled int8 model for `digits`."""
    return Model.load("mnist-edge-int8").run(digits[0])


def make_pictures(folder: Path, skip: int = 0) -> Path:
    """Writes 90 training digits of MNIST as PNG, into a folder for each class."""
    images, labels = load_split(SAMPLES, "train")
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for number, image in enumerate(images[labels == label][skip : skip + 9]):
            Image.fromarray(image).save(folder / str(label) / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an untrained network on 90 pictures, with the bundled int8 file as its export.

    The pictures are in the folder `pictures` beside it.
    """
    folder = tmp_path_factory.mktemp("small")
    pictures = make_pictures(folder / "pictures")
    dataset = load_dataset(IMAGE_FOLDER, pictures)
    config = TrainConfig(
        dataset=IMAGE_FOLDER, data=str(pictures), photos=0, val_split=VALIDATION_IMAGES
    )
    epoch = int(Model.load("mnist-edge-int8").metadata["epoch"])
    torch.manual_seed(0)
    weights = build(config.arch).state_dict()
    run = folder / "run"
    run.mkdir()
    Checkpoint(config, epoch, 2.3, 0.1, dataset.facts, weights).save(run / "best.pt")
    shutil.copy(bundled_models()["mnist-edge-int8"], run / "mnist-edge-int8.onnx")
    return run


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes empty files in place of pictures, and computes few maps: an evaluation takes long."""
    for module in (plots, image_grids):
        for name in filter(re.compile("draw_").match, module.__all__):
            monkeypatch.setattr(module, name, lambda *arguments: arguments[-1].touch())
    monkeypatch.setattr(assessment, "SALIENCY_MAPS", 2)
