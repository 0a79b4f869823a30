"""MNIST as tensors, and the validation split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mnist_edge import DatasetError, UsageError
from mnist_edge_trainer.data.splits import (
    Digits,
    load_digits,
    missing_classes,
    split_training,
)


def test_digits_have_their_shapes_and_types(samples: Path) -> None:
    for split, size in (("train", 60_000), ("test", 10_000)):
        digits = load_digits(samples, split)  # type: ignore[arg-type]
        assert digits.images.shape == (size, 1, 28, 28)
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.labels.unique().tolist() == list(range(10))


def test_validation_split_is_the_same_every_time(samples: Path) -> None:
    digits = load_digits(samples, "train")
    training, validation = split_training(digits, 5_000)
    assert (len(training), len(validation)) == (55_000, 5_000)
    again = split_training(digits, 5_000)[1]
    assert torch.equal(validation.images, again.images)
    # Nothing is in both, nothing is lost: together they are the training set.
    both = torch.cat([training.images, validation.images]).flatten(1).numpy()
    whole = digits.images.flatten(1).numpy()
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole))
    # Every digit is there in about its share.
    assert validation.labels.bincount().min() > 400


def test_held_out_images_are_those_of_earlier_releases(samples: Path) -> None:
    digits = load_digits(samples, "train")
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(2026))
    validation = split_training(digits, 5_000)[1]
    assert torch.equal(validation.images, digits.images[order[:5_000]])
    assert torch.equal(validation.labels, digits.labels[order[:5_000]])


def test_each_class_of_a_small_set_gives_its_share(samples: Path) -> None:
    digits = load_digits(samples, "test")
    few = Digits.join([digits[digits.labels == 3][:40], digits[digits.labels == 5][:10]])
    training, validation = split_training(few, 10)
    assert validation.labels.bincount().tolist() == [0, 0, 0, 8, 0, 2]
    assert training.labels.bincount().tolist() == [0, 0, 0, 32, 0, 8]
    both = Digits.join([training, validation]).images.flatten(1).numpy()
    assert sorted(map(bytes, both)) == sorted(map(bytes, few.images.flatten(1).numpy()))
    # They are not the first.
    assert not torch.equal(validation.images[validation.labels == 3], few.images[:8])


def drawn(*counts: int) -> Digits:
    """Empty images, so many of each class."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Digits(torch.zeros(len(labels), 1, 28, 28, dtype=torch.uint8), labels)


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ((400, 4), 40),
        ((1_000, 4, 4, 4, 4), 5),
        ((300, 2), 2),
        ((60_000, 4), 5_000),
        ((5, 5), 2),
    ],
)
def test_every_class_has_a_validation_picture(counts: tuple[int, ...], size: int) -> None:
    digits = drawn(*counts)
    training, validation = split_training(digits, size)
    assert missing_classes(validation, "abcde"[: len(counts)]) == []
    assert missing_classes(training, "abcde"[: len(counts)]) == []
    assert len(validation) == size
    together = training.labels.bincount() + validation.labels.bincount()
    assert together.tolist() == list(counts)


def test_classes_that_have_no_room_in_the_validation_split_are_named() -> None:
    _, validation = split_training(drawn(300, 4, 4), 2)
    assert len(missing_classes(validation, ("a", "b", "c"))) == 1
    # The only picture of a class is trained on.
    training, validation = split_training(drawn(300, 1), 30)
    assert missing_classes(validation, ("a", "b")) == ["b"]
    assert missing_classes(training, ("a", "b")) == []


def test_given_validation_split_is_used_as_it_is() -> None:
    digits = replace(drawn(3, 2, 4), given_validation=4)
    training, validation = split_training(digits, 4)
    assert training.labels.tolist() == [0, 0, 0, 1, 1]
    assert validation.labels.tolist() == [2, 2, 2, 2]
    with pytest.raises(UsageError, match=r"--val-split 3: .* of its own, 4; leave it out"):
        split_training(digits, 3)


@pytest.mark.parametrize("size", [0, -1, 60_000])
def test_split_that_leaves_nothing_is_refused(samples: Path, size: int) -> None:
    with pytest.raises(UsageError, match="--val-split"):
        split_training(load_digits(samples, "train"), size)


def test_failed_download_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, root: str, **__: object) -> None:
        (Path(root) / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nmirror: refused")

    monkeypatch.setattr("torchvision.datasets.MNIST.__init__", refuse)
    mistyped = tmp_path / "typo"
    with pytest.raises(
        DatasetError, match=r"t10k-labels-idx1-ubyte\.gz into .*MNIST.raw"
    ) as caught:
        load_digits(mistyped, "train")
    assert not mistyped.exists()
    assert "\n" not in str(caught.value)
    assert "mirror: refused" in str(caught.value)
