"""Inputs of several integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Digits


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
