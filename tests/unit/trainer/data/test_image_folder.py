"""Image folders: real MNIST images as files, the split, and what is skipped or refused."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge import DatasetError
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge_trainer.data.image_folder import ImageFolder, has_pictures, load_image_folder
from tests.conftest import SAMPLES, Digits

PER_CLASS = 8


def write(digits: Digits, folder: Path, names: Sequence[str], start: int, stop: int) -> None:
    """Writes the images `start` to `stop` of each digit into the folder of its name."""
    images, labels = digits
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images[labels == label][start:stop], start):
            Image.fromarray(image).save(folder / name / f"{number}.png")


def load(folder: Path) -> tuple[ImageFolder, list[str]]:
    """The folder, and the lines about what was skipped."""
    skipped: list[str] = []
    return load_image_folder(folder, skipped.append), skipped


@pytest.fixture
def folder(train_digits: Digits, tmp_path: Path) -> Path:
    """Three classes of 8 pictures."""
    write(train_digits, tmp_path, ("zero", "one", "two"), 0, PER_CLASS)
    return tmp_path


def test_every_picture_is_read_with_its_class(train_digits: Digits, tmp_path: Path) -> None:
    names = [str(digit) for digit in range(10)]
    write(train_digits, tmp_path, names, 0, 60)
    loaded, skipped = load(tmp_path)
    assert skipped == []
    assert loaded.labels == tuple(names)
    assert loaded.images.dtype == np.uint8
    # Preprocessing leaves MNIST's images as they are.
    images, labels = train_digits
    for digit in range(10):
        expected = images[labels == digit][:60]
        read = loaded.images[loaded.classes == digit]
        assert sorted(map(bytes, read)) == sorted(map(bytes, expected))
    # 15 % of 600, by a hash: 90 with a standard deviation of 9.
    assert 60 < loaded.in_test.sum() < 120
    for digit in range(10):
        assert 1 <= loaded.in_test[loaded.classes == digit].sum() <= 25


def test_pictures_stay_in_their_split_when_others_are_added(
    train_digits: Digits, tmp_path: Path
) -> None:
    write(train_digits, tmp_path, ("a", "b"), 0, 40)
    before, _ = load(tmp_path)
    write(train_digits, tmp_path, ("a", "b", "c"), 30, 70)
    after, _ = load(tmp_path)
    in_test_of = dict(zip(map(bytes, after.images), after.in_test, strict=True))
    for image, in_test in zip(before.images, before.in_test, strict=True):
        assert in_test_of[bytes(image)] == in_test
    assert Counter(after.classes.tolist()) == {0: 70, 1: 70, 2: 40}
    # Renaming does not either.
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / "renamed.png")
    again, _ = load(tmp_path)
    assert in_test_of == dict(zip(map(bytes, again.images), again.in_test, strict=True))


def test_numbers_in_class_names_are_sorted_as_numbers(train_digits: Digits, tmp_path: Path) -> None:
    write(train_digits, tmp_path, ("10", "9", "x2", "x10", "1"), 0, 5)
    loaded, _ = load(tmp_path)
    assert loaded.labels == ("1", "9", "10", "x2", "x10")
    # The digit 4, in the folder that is named 1.
    images, labels = train_digits
    assert bytes(images[labels == 4][0]) in map(bytes, loaded.images[loaded.classes == 0])


def test_unusable_files_are_named_and_skipped(folder: Path) -> None:
    (folder / "zero" / "text.png").write_text("not a picture")
    (folder / "zero" / "empty.jpg").touch()
    whole = (SAMPLES / "7-pen.png").read_bytes()
    (folder / "one" / "cut.png").write_bytes(whole[:900])
    Image.new("L", (200, 200), 255).save(folder / "two" / "blank.png")
    (folder / "two" / "notes.txt").write_text("these are twos")
    (folder / ".hidden").mkdir()
    shutil.copy(SAMPLES / "7-pen.png", folder / ".hidden")
    shutil.copy(SAMPLES / "7-pen.png", folder)
    loaded, skipped = load(folder)
    assert loaded.labels == ("one", "two", "zero")
    assert Counter(loaded.classes.tolist()) == {0: PER_CLASS, 1: PER_CLASS, 2: PER_CLASS}
    for name, reason in (
        ("zero/text.png", "not an image"),
        ("zero/empty.jpg", "empty"),
        ("one/cut.png", "damaged"),
        ("two/blank.png", "no digit found"),
    ):
        (line,) = (line for line in skipped if line.startswith(f"{folder / name}: "))
        assert reason in line
    assert "pictures that cannot be used, skipped: 4 of 28" in skipped
    assert "hidden files and unknown extensions, skipped: 1" in skipped
    assert f"{folder}: pictures outside the class folders, skipped: 1" in skipped


def test_folders_inside_a_class_belong_to_the_class(folder: Path) -> None:
    inner = folder / "zero" / "scanner" / "monday"
    inner.mkdir(parents=True)
    shutil.copy(SAMPLES / "0-card.jpg", inner)
    loaded, skipped = load(folder)
    assert skipped == []
    assert bytes(preprocess_one(SAMPLES / "0-card.jpg")) in map(bytes, loaded.images)
    assert Counter(loaded.classes.tolist()) == {0: PER_CLASS, 1: PER_CLASS, 2: PER_CLASS + 1}


def test_copies_are_used_once_and_contradictory_ones_not_at_all(folder: Path) -> None:
    shutil.copy(folder / "zero" / "0.png", folder / "zero" / "copy.png")
    shutil.copy(folder / "one" / "3.png", folder / "two" / "is it a two.png")
    loaded, skipped = load(folder)
    assert Counter(loaded.classes.tolist()) == {0: PER_CLASS - 1, 1: PER_CLASS, 2: PER_CLASS}
    assert len(set(map(bytes, loaded.images))) == len(loaded.images)
    assert "copies of other pictures of their class, skipped: 1" in skipped
    assert any("is it a two.png: the same picture as" in line for line in skipped)


def test_folders_train_and_test_are_the_split(train_digits: Digits, tmp_path: Path) -> None:
    write(train_digits, tmp_path / "train", ("a", "b"), 0, 10)
    write(train_digits, tmp_path / "test", ("a", "b"), 10, 13)
    (tmp_path / "val" / "a").mkdir(parents=True)
    # A picture in both would be tested after it was trained on.
    shutil.copy(tmp_path / "test" / "a" / "10.png", tmp_path / "train" / "a")
    loaded, skipped = load(tmp_path)
    images, labels = train_digits
    for digit in range(2):
        in_test = loaded.images[loaded.in_test & (loaded.classes == digit)]
        expected = images[labels == digit]
        assert sorted(map(bytes, in_test)) == sorted(map(bytes, expected[10:13]))
        in_training = loaded.images[~loaded.in_test & (loaded.classes == digit)]
        assert sorted(map(bytes, in_training)) == sorted(map(bytes, expected[:10]))
    assert any(line.startswith(f"{tmp_path / 'val'}: ") for line in skipped)
    assert "copies of other pictures of their class, skipped: 1" in skipped


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_folders_train_val_and_test_are_the_split(
    train_digits: Digits, tmp_path: Path, name: str
) -> None:
    write(train_digits, tmp_path / "train", ("a", "b"), 0, 10)
    write(train_digits, tmp_path / name, ("a", "b"), 10, 14)
    write(train_digits, tmp_path / "test", ("a", "b"), 14, 17)
    # A picture of several splits would be judged after it was trained on.
    shutil.copy(tmp_path / name / "a" / "10.png", tmp_path / "train" / "a")
    shutil.copy(tmp_path / "test" / "b" / "14.png", tmp_path / name / "b")
    loaded, skipped = load(tmp_path)
    assert loaded.splits == tuple(sorted(("train", name, "test")))
    images, labels = train_digits
    in_training = ~loaded.in_test & ~loaded.in_validation
    for digit in range(2):
        expected = images[labels == digit]
        for part, start, stop in (
            (in_training, 0, 10),
            (loaded.in_validation, 10, 14),
            (loaded.in_test, 14, 17),
        ):
            read = loaded.images[part & (loaded.classes == digit)]
            assert sorted(map(bytes, read)) == sorted(map(bytes, expected[start:stop]))
    assert skipped == ["copies of other pictures of their class, skipped: 2"]


def test_without_a_test_folder_validation_pictures_are_tested_with(
    train_digits: Digits, tmp_path: Path
) -> None:
    write(train_digits, tmp_path / "train", ("a", "b"), 0, 10)
    write(train_digits, tmp_path / "val", ("a", "b"), 10, 14)
    loaded, skipped = load(tmp_path)
    assert loaded.splits == ("train", "val")
    assert loaded.in_validation.sum() == 8
    assert (loaded.in_test == loaded.in_validation).all()
    assert skipped == [f"{tmp_path}: has no test; val is used for testing too"]


def test_class_without_a_picture_for_validation_is_named(
    train_digits: Digits, tmp_path: Path
) -> None:
    write(train_digits, tmp_path / "train", ("a", "b", "c", "d"), 0, 10)
    write(train_digits, tmp_path / "val", ("a", "b"), 10, 14)
    (tmp_path / "val" / "c").mkdir()
    loaded, skipped = load(tmp_path)
    assert loaded.labels == ("a", "b", "c", "d")
    assert f"{tmp_path / 'val'}: has no pictures of: c, d" in skipped


def test_classes_may_be_called_train_and_test(train_digits: Digits, tmp_path: Path) -> None:
    write(train_digits, tmp_path, ("train", "test"), 0, 5)
    assert load(tmp_path)[0].labels == ("test", "train")


class TestRefused:
    def test_one_class_alone(self, train_digits: Digits, tmp_path: Path) -> None:
        write(train_digits, tmp_path, ("7",), 0, 9)
        with pytest.raises(DatasetError, match="only class"):
            load(tmp_path)

    def test_an_empty_class(self, folder: Path) -> None:
        (folder / "three").mkdir()
        with pytest.raises(DatasetError, match="three: has no pictures"):
            load(folder)

    def test_too_few_that_can_be_read(self, folder: Path) -> None:
        for number in range(4):
            (folder / "one" / f"{number}.png").write_text("not a picture")
        # A copy is no other picture.
        shutil.copy(folder / "one" / "5.png", folder / "one" / "copy.png")
        with pytest.raises(DatasetError, match=r"fewer than 5 .*: one \(4\);"):
            load(folder)

    def test_nothing_that_can_be_read(self, folder: Path) -> None:
        for path in folder.glob("*/*.png"):
            path.write_text("not a picture")
        with pytest.raises(DatasetError, match="none of its 24 pictures"):
            load(folder)

    @pytest.mark.parametrize("name", ["one,two", "line\nbreak"])
    def test_a_name_that_no_model_can_hold(self, folder: Path, name: str) -> None:
        (folder / "one").rename(folder / name)
        with pytest.raises(DatasetError, match="the name of a class cannot have") as caught:
            load(folder)
        assert "\n" not in str(caught.value)

    def test_pictures_of_no_class(self, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "7-pen.png", tmp_path)
        with pytest.raises(DatasetError, match="make a folder for each class"):
            load(tmp_path)

    def test_half_a_split(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        whole = tmp_path_factory.mktemp("whole")
        folder.rename(whole / "train")
        with pytest.raises(DatasetError, match="no test"):
            load(whole)
        shutil.copytree(whole / "train", whole / "test")
        shutil.rmtree(whole / "test" / "two")
        with pytest.raises(DatasetError, match=r"train/two: there is no such class in .*test"):
            load(whole)

    def test_two_folders_for_validation(self, train_digits: Digits, tmp_path: Path) -> None:
        for name in ("train", "val", "valid"):
            write(train_digits, tmp_path / name, ("a", "b"), 0, 6)
        with pytest.raises(DatasetError, match="has both val and valid"):
            load(tmp_path)

    def test_a_class_to_validate_with_that_is_not_trained_on(
        self, train_digits: Digits, tmp_path: Path
    ) -> None:
        write(train_digits, tmp_path / "train", ("a", "b"), 0, 6)
        write(train_digits, tmp_path / "val", ("a", "c"), 6, 8)
        with pytest.raises(DatasetError, match=r"val/c: there is no such class in .*train"):
            load(tmp_path)


def test_has_pictures_goes_by_names(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    assert has_pictures(folder)
    assert not has_pictures(other)
    assert not has_pictures(other / "nowhere")
    (other / "FashionMNIST" / "raw").mkdir(parents=True)
    (other / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").touch()
    assert not has_pictures(other)
    (other / "6").mkdir()
    shutil.rmtree(other / "FashionMNIST")
    assert has_pictures(other)
