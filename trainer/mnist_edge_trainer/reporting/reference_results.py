"""Published results on MNIST's 10,000 test images, and the sources of the public datasets."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLIC_DATASETS", "REFERENCE_RESULTS", "PublicDataset", "ReferenceResult"]


@dataclass(frozen=True)
class ReferenceResult:
    """One published result.

    Attributes:
        classifier: what was evaluated.
        error: error rate on MNIST's test images, fraction.
        source: authors and year.
        url: where to read it.
    """

    classifier: str
    error: float
    source: str
    url: str


_LECUN = ("LeCun et al. 1998", "https://doi.org/10.1109/5.726791")

REFERENCE_RESULTS = (
    ReferenceResult("linear classifier", 0.120, *_LECUN),
    ReferenceResult(
        "mnist-12 of the ONNX model zoo", 0.0110, "measured here", "https://github.com/onnx/models"
    ),
    ReferenceResult("LeNet-5", 0.0095, *_LECUN),
    ReferenceResult("boosted LeNet-4, trained with distortions", 0.0070, *_LECUN),
    ReferenceResult(
        "big multi-layer perceptron, trained with distortions",
        0.0035,
        "Cireşan et al. 2010",
        "https://arxiv.org/abs/1003.0358",
    ),
    ReferenceResult(
        "ensemble of 35 convolutional networks",
        0.0023,
        "Cireşan et al. 2012",
        "https://arxiv.org/abs/1202.2745",
    ),
    ReferenceResult(
        "ensemble of DropConnect networks",
        0.0021,
        "Wan et al. 2013",
        "https://proceedings.mlr.press/v28/wan13.html",
    ),
    ReferenceResult(
        "ensemble of ensembles of convolutional networks, the best one",
        0.0009,
        "An et al. 2020",
        "https://arxiv.org/abs/2008.10400",
    ),
)
"""From the highest error rate to the lowest."""


@dataclass(frozen=True)
class PublicDataset:
    """A published dataset.

    Attributes:
        title: its name as its authors write it.
        content: what its images show.
        training, test: numbers of images, before a validation split is held out.
        source: authors and year.
        url: where to read about it.
    """

    title: str
    content: str
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
