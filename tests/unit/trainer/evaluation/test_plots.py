"""Pictures: what they say is true, nothing covers anything, and attention lies where it must."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from torch import nn

from mnist_edge import OutputError
from mnist_edge.mnist import load_split
from mnist_edge.model import Model
from mnist_edge.types import DIGITS
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.evaluation import plots as figures
from mnist_edge_trainer.evaluation.saliency import first_layer, occlusion
from mnist_edge_trainer.training.checkpoint import EpochRecord
from tests.conftest import SAMPLES

Draw = Callable[[Path], None]

GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot, worn"),
)
LETTERS = tuple(f"the letter number {number}" for number in range(47))


@pytest.fixture(scope="module")
def digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    images, labels = load_split(SAMPLES, "test")
    return images[:2_000], labels[:2_000].astype(np.int64)


@pytest.fixture(scope="module")
def pictures(digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]) -> dict[str, Draw]:
    """Every picture, of real digits with the longest names there are likely to be."""
    images, labels = digits
    model = Model.load("mnist-edge-int8")
    probabilities = model.run(images)
    answers = (images, labels, probabilities)
    matrix = np.random.default_rng(0).integers(0, 1_000, (47, 47))
    few = figures.first_of_each(labels, 6)
    maps = occlusion(model.run, images[few], labels[few])
    weights = np.random.default_rng(0).normal(size=(70, 28, 28)).astype(np.float32)
    epoch: EpochRecord = {
        "epoch": 1,
        "lr": 1e-3,
        "train_loss": 0.3,
        "train_accuracy": 0.9,
        "val_loss": 0.1,
        "val_accuracy": 0.97,
        "val_photo_accuracy": 0.9,
        "seconds": 1,
    }
    faultless: EpochRecord = {**epoch, "train_accuracy": 1, "val_accuracy": 1}
    faultless["val_photo_accuracy"] = None
    return {
        "curves": lambda path: figures.draw_curves([epoch, {**epoch, "epoch": 2}], path),
        "curves-faultless": lambda path: figures.draw_curves([faultless], path),
        "confusion": lambda path: figures.draw_confusion_matrix(matrix[:10, :10], GARMENTS, path),
        "confusion-47": lambda path: figures.draw_confusion_matrix(matrix, LETTERS, path),
        "confusion-2": lambda path: figures.draw_confusion_matrix(
            matrix[:2, :2], ("cat", "dog"), path
        ),
        "mistakes": lambda path: figures.draw_mistakes(*answers, GARMENTS, path),
        "mistakes-none": lambda path: figures.draw_mistakes(
            images[:9], labels[:9], model.run(images[:9]), DIGITS, path
        ),
        "predictions": lambda path: figures.draw_predictions(*answers, GARMENTS, path),
        "reliability": lambda path: figures.draw_reliability(probabilities, labels, path),
        "attention": lambda path: figures.draw_saliency(
            images[few], maps, labels[few], GARMENTS, path
        ),
        "filters": lambda path: figures.draw_filters(weights, path),
        "filters-6": lambda path: figures.draw_filters(weights[:6, :5, :5], path),
    }


NAMES = (
    *("curves", "curves-faultless", "confusion", "confusion-47", "confusion-2", "mistakes"),
    *("mistakes-none", "predictions", "reliability", "attention", "filters", "filters-6"),
)


@pytest.mark.parametrize("name", NAMES)
def test_no_words_overlap_or_leave_the_canvas(
    name: str, pictures: dict[str, Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(figures, "_save", lambda figure, _path: drawn.append(figure))
    pictures[name](Path("unused.png"))
    (figure,) = drawn
    figure.draw_without_rendering()  # settles the layout
    written: dict[Text, Bbox] = {}
    draw_text = Text.draw

    def record(text: Text, renderer: RendererBase) -> None:
        draw_text(text, renderer)
        if text.get_visible() and text.get_text().strip():
            written[text] = text.get_window_extent(renderer)

    monkeypatch.setattr(Text, "draw", record)
    figure.draw_without_rendering()

    assert written
    words = [text.get_text() for text in written]
    low = np.array([box.min for box in written.values()])
    high = np.array([box.max for box in written.values()])
    outside = (low < -1).any(axis=1) | (high > figure.bbox.max + 1).any(axis=1)
    assert not outside.any(), words[int(outside.argmax())]
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    overlap = np.triu((common > 1).all(axis=2), k=1)
    assert not overlap.any(), [(words[i], words[j]) for i, j in np.argwhere(overlap)]


@pytest.mark.parametrize("name", ["curves", "mistakes", "attention"])
def test_a_picture_is_png_or_svg_and_the_same_each_time(
    name: str, pictures: dict[str, Draw], tmp_path: Path
) -> None:
    for suffix in ("png", "svg"):
        files = [tmp_path / f"{turn}.{suffix}" for turn in ("one", "two")]
        for file in files:
            pictures[name](file)
        assert files[0].read_bytes() == files[1].read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG"
    assert ET.parse(tmp_path / "one.svg").getroot().tag.endswith("svg")


def words_of(draw: Draw, folder: Path) -> list[str]:
    """Matplotlib notes in an SVG, as comments, every line that it writes."""
    draw(folder / "words.svg")
    return re.findall("<!-- (.*?) -->", (folder / "words.svg").read_text(encoding="utf-8"))


def test_the_most_confident_mistake_comes_first(
    digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    images, labels = digits
    probabilities = Model.load("mnist-edge-int8").run(images)
    answers = probabilities.argmax(axis=1)
    wrong = [index for index in range(len(labels)) if answers[index] != labels[index]]
    worst = max(wrong, key=lambda index: float(probabilities[index].max()))
    words = words_of(
        lambda path: figures.draw_mistakes(images, labels, probabilities, DIGITS, path),
        tmp_path,
    )
    captions = [word for word in words if re.fullmatch(". → .", word)]
    assert len(captions) == min(24, len(wrong))
    assert captions[0] == f"{labels[worst]} → {answers[worst]}"
    assert words[words.index(captions[0]) + 1] == f"{probabilities[worst].max():.1%}"


def test_predictions_are_told_beside_the_truth(pictures: dict[str, Draw], tmp_path: Path) -> None:
    words = words_of(pictures["predictions"], tmp_path)
    assert words.count("true Coat") == 4  # 40 pictures of ten classes
    assert sum(word.startswith("predicted ") for word in words) == 40


def test_the_calibration_error_is_written_on_its_diagram(tmp_path: Path) -> None:
    certain = np.tile(np.float32([1, 0]), (8, 1))
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    words = words_of(lambda path: figures.draw_reliability(certain, labels, path), tmp_path)
    assert "expected calibration error 25.00% (15 bins)" in words


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        figures.draw_filters(np.ones((1, 3, 3), np.float32), tmp_path / "file" / "filters.png")


def test_the_first_of_each_class_in_turn() -> None:
    labels = np.array([1, 1, 0, 2, 1, 0])
    assert figures.first_of_each(labels, 5).tolist() == [2, 0, 3, 5, 1]
    assert figures.first_of_each(labels, 99).tolist() == [2, 0, 3, 5, 1, 4]


class TestAttention:
    def test_one_pixel_is_found_exactly(self) -> None:
        """Squares that cover it matter, so its neighbours matter by the squares they share."""
        images = np.full((1, 28, 28), 255, np.uint8)

        def network(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            seen = pictures[:, 10, 12] / np.float32(255)
            return np.stack([1 - seen, seen], axis=1)

        (drop,) = occlusion(network, images, np.array([1]), patch=5, stride=1)
        shared = np.clip(5 - np.abs(np.arange(28)[:, np.newaxis] - [10, 12]), 0, None) / 5
        np.testing.assert_allclose(drop, np.outer(shared[:, 0], shared[:, 1]), atol=1e-6)

    @pytest.mark.parametrize("stride", [1, 2, 5])
    def test_a_network_that_sees_one_quadrant_is_found_out(self, stride: int) -> None:
        images = np.random.default_rng(0).integers(1, 256, (2, 28, 28), dtype=np.uint8)

        def network(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            seen = pictures[:, :14, 14:].mean(axis=(1, 2)) / np.float32(255)
            return np.stack([1 - seen, seen], axis=1).astype(np.float32)

        maps = occlusion(network, images, np.array([1, 1]), stride=stride)
        assert (maps[:, :14, 14:] > 0).all()
        assert (maps[:, 18:] == 0).all()
        assert (maps[:, :, :10] == 0).all()

    def test_ink_matters_and_the_empty_corner_does_not(
        self, digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
    ) -> None:
        images, labels = (part[:20] for part in digits)
        maps = occlusion(Model.load("mnist-edge-int8").run, images, labels)
        assert np.abs(maps[:, :2, :2]).max() == 0
        for image, drop in zip(images, maps, strict=True):
            assert drop[image > 127].mean() > drop[image == 0].mean()

    def test_hiding_what_misleads_helps(self) -> None:
        images = np.full((1, 28, 28), 255, np.uint8)

        def network(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            seen = pictures[:, 3, 3] / np.float32(255)
            return np.stack([1 - seen, seen], axis=1)

        (drop,) = occlusion(network, images, np.array([0]))
        assert drop[3, 3] == -1

    def test_squares_that_would_leave_pixels_out_are_refused(self) -> None:
        images = np.zeros((1, 28, 28), np.uint8)
        for patch, stride in ((5, 6), (5, 0), (4, 1)):
            with pytest.raises(ValueError, match="patch"):
                occlusion(
                    lambda _: np.zeros((0, 2), np.float32), images, images[0, 0], patch, stride
                )

    def test_the_first_layer_of_each_kind_of_network(self) -> None:
        torch.manual_seed(0)
        lenet = build("lenet")
        kernels = first_layer(lenet)
        assert kernels is not None
        np.testing.assert_array_equal(kernels, lenet.state_dict()["features.0.weight"][:, 0])

        small = build("small")
        across = first_layer(small)
        assert across is not None
        image = torch.rand(1, 1, 28, 28)
        expected = nn.functional.conv2d(
            image, torch.tensor(across)[:, None], stride=(1, 4), padding=(2, 4)
        )
        neighbours, first, *_ = small.get_submodule("features").children()
        torch.testing.assert_close(first.get_submodule("0")(neighbours(image)), expected)

        linear = nn.Linear(784, 32)
        rows = first_layer(nn.Sequential(nn.Flatten(), linear, nn.ReLU(), nn.Linear(32, 10)))
        assert rows is not None
        assert rows.shape == (32, 28, 28)
        assert rows[5, 2, 3] == linear.weight[5, 2 * 28 + 3]
        assert first_layer(nn.Sequential(nn.Linear(49, 10))) is None
        assert first_layer(nn.Sequential(nn.ReLU())) is None
