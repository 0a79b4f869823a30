"""Inputs of several integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.mnist import load_split
from tests.conftest import SAMPLES, Digits

PER_CLASS = 60
"""Pictures of each class of `image_folder`."""


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory, train_digits: Digits) -> Path:
    """A folder of 3,000 digits: every 100th is damaged, every 60th needs the whole front end."""
    folder = tmp_path_factory.mktemp("many")
    for number, image in enumerate(train_digits[0][:3000]):
        path = folder / f"{number:04}.png"
        picture = Image.fromarray(image)
        if number % 60 == 7:
            picture = picture.resize((90, 90))
        picture.save(path)
        if number % 100 == 50:
            path.write_bytes(path.read_bytes()[:60])
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of each of three digits, a folder for each; and two unusable files."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = load_split(SAMPLES, "train")
    for digit in (0, 1, 7):
        (folder / f"class {digit}").mkdir()
        for number, image in enumerate(images[labels == digit][:PER_CLASS]):
            Image.fromarray(image).save(folder / f"class {digit}" / f"{number}.png")
    (folder / "class 0" / "notes.png").write_text("not a picture")
    Image.new("L", (40, 40), 255).save(folder / "class 1" / "blank.png")
    return folder
