"""Every picture of an evaluation: its words do not overlap, and it is the same file each time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from mnist_edge import OutputError
from mnist_edge.model import Model
from mnist_edge.types import DIGITS
from mnist_edge_trainer.evaluation.figures import save_figure, shorten
from mnist_edge_trainer.evaluation.image_grids import (
    draw_filters,
    draw_mistakes,
    draw_predictions,
    draw_saliency,
    first_of_each_class,
)
from mnist_edge_trainer.evaluation.metrics import Probabilities
from mnist_edge_trainer.evaluation.plots import (
    draw_confusion_matrix,
    draw_curves,
    draw_rejection,
    draw_reliability,
)
from mnist_edge_trainer.evaluation.rejection import rejection_curve
from mnist_edge_trainer.evaluation.saliency import occlusion
from mnist_edge_trainer.training.checkpoint import EpochRecord
from tests.hostile import ESCAPES
from tests.unit.trainer.evaluation.conftest import Digits, Draw, drawn, words_of

GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot, worn",
)
LETTERS = tuple(f"the letter number {number}" for number in range(47))
EPOCH: EpochRecord = {
    "epoch": 1,
    "lr": 1e-3,
    "train_loss": 0.3,
    "train_accuracy": 0.9,
    "val_loss": 0.1,
    "val_accuracy": 0.97,
    "val_photo_accuracy": 0.9,
    "seconds": 1,
}
FAULTLESS: EpochRecord = {
    **EPOCH,
    "train_accuracy": 1,
    "val_accuracy": 1,
    "val_photo_accuracy": None,
}


@pytest.fixture(scope="module")
def pictures(digits: Digits, probabilities: Probabilities) -> dict[str, Draw]:
    """Every picture, of real digits, with names as long as they are likely to be."""
    images, truth = digits
    confusion = np.random.default_rng(0).integers(0, 1_000, (47, 47))
    weights = np.random.default_rng(0).normal(size=(70, 28, 28)).astype(np.float32)

    def saliency(path: Path) -> None:
        few = first_of_each_class(truth, 6)
        maps = occlusion(Model.load("mnist-edge-int8").run, images[few], truth[few])
        draw_saliency(images[few], maps, truth[few], GARMENTS, path)

    def confusions(names: tuple[str, ...]) -> Draw:
        matrix = confusion[: len(names), : len(names)].tolist()
        return lambda path: draw_confusion_matrix(matrix, names, path)

    def grid(draw: Callable[..., None], count: int, names: tuple[str, ...]) -> Draw:
        part = (images[:count], truth[:count], probabilities[:count])
        return lambda path: draw(*part, names, path)

    return {
        "curves": lambda path: draw_curves([EPOCH, {**EPOCH, "epoch": 2}], path),
        "curves-faultless": lambda path: draw_curves([FAULTLESS], path),
        "confusion": confusions(GARMENTS),
        "confusion-47": confusions(LETTERS),
        "confusion-2": confusions(("cat", "dog")),
        "mistakes": grid(draw_mistakes, len(truth), GARMENTS),
        "mistakes-none": grid(draw_mistakes, 9, DIGITS),
        "predictions": grid(draw_predictions, len(truth), GARMENTS),
        "reliability": lambda path: draw_reliability(probabilities, truth, path),
        "rejection": lambda path: draw_rejection(
            rejection_curve(probabilities, truth, probabilities[:50]), path
        ),
        "saliency": saliency,
        "filters": lambda path: draw_filters(weights, path),
        "filters-6": lambda path: draw_filters(weights[:6, :5, :5], path),
    }


def text_boxes(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> dict[Text, Bbox]:
    """Where each text is drawn, pixels."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # settles the layout
    boxes: dict[Text, Bbox] = {}
    draw_text = Text.draw

    def record(text: Text, renderer: RendererBase) -> None:
        draw_text(text, renderer)
        if text.get_visible() and text.get_text().strip():
            boxes[text] = text.get_window_extent(renderer)

    monkeypatch.setattr(Text, "draw", record)
    figure.draw_without_rendering()
    return boxes


@pytest.mark.parametrize(
    "name",
    [
        "curves",
        pytest.param("curves-faultless", marks=pytest.mark.slow),
        "confusion",
        pytest.param("confusion-47", marks=pytest.mark.slow),
        "confusion-2",
        "mistakes",
        "mistakes-none",
        pytest.param("predictions", marks=pytest.mark.slow),
        "reliability",
        "rejection",
        "saliency",
        pytest.param("filters", marks=pytest.mark.slow),
        "filters-6",
    ],
)
def test_words_neither_overlap_nor_leave_the_figure(
    name: str, pictures: dict[str, Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(pictures[name])
    boxes = text_boxes(figure, monkeypatch)
    assert boxes
    words = [text.get_text() for text in boxes]
    low = np.array([box.min for box in boxes.values()])
    high = np.array([box.max for box in boxes.values()])
    outside = (low < -1).any(axis=1) | (high > np.array(figure.bbox.max) + 1).any(axis=1)
    assert not outside.any(), words[int(outside.argmax())]
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    overlap = np.triu((common > 1).all(axis=2), k=1)
    assert not overlap.any(), [(words[i], words[j]) for i, j in np.argwhere(overlap)]


@pytest.mark.parametrize(
    "name",
    [
        "confusion-2",
        pytest.param("curves", marks=pytest.mark.slow),
        pytest.param("mistakes", marks=pytest.mark.slow),
        pytest.param("reliability", marks=pytest.mark.slow),
        pytest.param("saliency", marks=pytest.mark.slow),
    ],
)
def test_picture_is_png_or_svg_and_the_same_each_time(
    name: str, pictures: dict[str, Draw], tmp_path: Path
) -> None:
    for suffix in ("png", "svg"):
        files = [tmp_path / f"{turn}.{suffix}" for turn in ("first", "second")]
        for file in files:
            pictures[name](file)
        assert files[0].read_bytes() == files[1].read_bytes()
    with Image.open(tmp_path / "first.png") as picture:
        assert picture.format == "PNG"
    assert ET.parse(tmp_path / "first.svg").getroot().tag.endswith("svg")


def test_calibration_error_is_written_on_the_reliability_diagram() -> None:
    certain = np.tile(np.array([1, 0], np.float32), (8, 1))
    truth = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    words = words_of(lambda path: draw_reliability(certain, truth, path))
    assert "expected calibration error 25.00% (15 bins)" in words


def test_figure_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save_figure(Figure(), tmp_path / "file" / "filters.png")


def test_long_names_are_cut_and_dollars_escaped() -> None:
    assert shorten("trousers", 8) == "trousers"
    assert shorten("trousers", 7) == "trouse…"
    assert shorten("$x$", 7) == r"\$x\$"


def test_names_of_classes_cannot_break_a_picture(tmp_path: Path) -> None:
    labels = [ESCAPES, "$x_{", "\u202eb"]
    confusion = [[5, 1, 0], [0, 4, 0], [0, 0, 3]]
    draw_confusion_matrix(confusion, labels, tmp_path / "confusion.svg")
    text = (tmp_path / "confusion.svg").read_text(encoding="utf-8")
    ET.fromstring(text)  # with control characters in it, it would be no XML
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
