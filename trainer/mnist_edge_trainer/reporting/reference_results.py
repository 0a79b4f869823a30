"""What others reached on MNIST's 10,000 test images, and who made the datasets: with sources."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLIC_DATASETS", "RESULTS", "PublicDataset", "Result"]


@dataclass(frozen=True)
class Result:
    """One published result.

    Attributes:
        what: the classifier.
        error: on MNIST's test images, fraction.
        source: who says so.
        url: where to read it.
    """

    what: str
    error: float
    source: str
    url: str


_LECUN = ("LeCun et al. 1998", "https://doi.org/10.1109/5.726791")

RESULTS = (
    Result("linear classifier", 0.120, *_LECUN),
    Result(
        "mnist-12 of the ONNX model zoo", 0.0110, "measured here", "https://github.com/onnx/models"
    ),
    Result("LeNet-5", 0.0095, *_LECUN),
    Result("boosted LeNet-4, trained with distortions", 0.0070, *_LECUN),
    Result(
        "big multi-layer perceptron, trained with distortions",
        0.0035,
        "Cireşan et al. 2010",
        "https://arxiv.org/abs/1003.0358",
    ),
    Result(
        "committee of 35 convolutional networks",
        0.0023,
        "Cireşan et al. 2012",
        "https://arxiv.org/abs/1202.2745",
    ),
    Result(
        "committee of DropConnect networks",
        0.0021,
        "Wan et al. 2013",
        "https://proceedings.mlr.press/v28/wan13.html",
    ),
    Result(
        "ensemble of ensembles of convolutional networks, the best one",
        0.0009,
        "An et al. 2020",
        "https://arxiv.org/abs/2008.10400",
    ),
)
"""From the worst to the best."""


@dataclass(frozen=True)
class PublicDataset:
    """A dataset that anyone can get.

    Attributes:
        title: its name as its makers write it.
        what: of what its pictures are.
        training, test: how many images, before any are held out.
        source: who made it.
        url: where to read of it.
    """

    title: str
    what: str
    training: int
    test: int
    source: str
    url: str


PUBLIC_DATASETS = {
    "mnist": PublicDataset("MNIST", "handwritten digits", 60_000, 10_000, *_LECUN),
    "fashion-mnist": PublicDataset(
        "Fashion-MNIST",
        "articles of clothing",
        60_000,
        10_000,
        "Xiao et al. 2017",
        "https://arxiv.org/abs/1708.07747",
    ),
    "kmnist": PublicDataset(
        "Kuzushiji-MNIST",
        "cursive Japanese characters",
        60_000,
        10_000,
        "Clanuwat et al. 2018",
        "https://arxiv.org/abs/1812.01718",
    ),
    "emnist-digits": PublicDataset(
        "EMNIST Digits",
        "handwritten digits",
        240_000,
        40_000,
        "Cohen et al. 2017",
        "https://arxiv.org/abs/1702.05373",
    ),
}
"""By the name that `--dataset` takes."""
