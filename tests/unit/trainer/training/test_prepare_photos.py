"""Making the default photographs ahead: what is there is kept, what is missing is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mnist_edge.errors import OutputError
from mnist_edge.types import GrayImage
from mnist_edge_trainer.data.splits import Digits as LabelledDigits
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.training import prepare_photos
from tests.conftest import SAMPLES, Digits


def take_digits_as_they_are(
    _: object, digits: GrayImage, labels: npt.NDArray[np.int64], seed: int
) -> dataset.Photos:
    """In place of the simulator: nothing is rendered."""
    return dataset.Photos(digits, labels + 0 * seed)


@pytest.fixture(autouse=True)
def few_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_digits: Digits) -> None:
    """A training set of 60 digits in chunks of 25, 10 to validate with, a cache of its own."""
    digits = LabelledDigits.of(train_digits[0][:60], train_digits[1][:60])
    monkeypatch.setattr(dataset, "CHUNK", 25)
    monkeypatch.setattr(dataset, "cache_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(dataset, "_render_all", take_digits_as_they_are)
    monkeypatch.setattr(prepare_photos, "split_training", lambda *_: (digits, digits[:10]))


def test_interrupted_preparation_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def interrupted(
        sampler: object, digits: GrayImage, labels: npt.NDArray[np.int64], seed: int
    ) -> dataset.Photos:
        made.append(seed)
        if len(made) == 3:
            raise KeyboardInterrupt
        return take_digits_as_they_are(sampler, digits, labels, seed)

    monkeypatch.setattr(dataset, "_render_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_photos.prepare_photos(SAMPLES)
    whole = {path: path.stat().st_mtime_ns for path in tmp_path.glob("photos/*")}
    assert len(whole) == 2  # the held-out ones and the first chunk: no part of a file

    assert prepare_photos.prepare_photos(SAMPLES) == 70
    assert len(list(tmp_path.glob("photos/*"))) == 4
    assert all(path.stat().st_mtime_ns == written for path, written in whole.items())

    monkeypatch.setattr(dataset, "_render_all", None)  # nothing is left to be made
    assert prepare_photos.prepare_photos(SAMPLES) == 70


def test_photographs_of_another_version_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_photos.prepare_photos(SAMPLES)
    before = {*tmp_path.glob("photos/*")}
    monkeypatch.setattr(dataset, "_VERSIONS", "simulator 3")
    prepare_photos.prepare_photos(SAMPLES)
    assert len({*tmp_path.glob("photos/*")} - before) == len(before) == 4


def test_cache_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(prepare_photos, "cache_folder", lambda _: tmp_path / "file" / "photos")
    with pytest.raises(OutputError, match="file"):
        prepare_photos.prepare_photos(SAMPLES)
