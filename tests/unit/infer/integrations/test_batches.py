"""A batch of any engine comes back with its predictions, row by row, and stops at nothing."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow
import pytest
from PIL import Image

from mnist_edge import DigitClassifier, UsageError
from mnist_edge.integrations.batches import picture_and_name
from mnist_edge.integrations.ray import Predict, Read
from tests.conftest import SAMPLES, Digits

COUNT = 300


@pytest.fixture(scope="module")
def images(test_digits: Digits) -> np.ndarray:
    return test_digits[0][:COUNT]


@pytest.fixture(scope="module")
def contents(images: np.ndarray) -> list[bytes]:
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())
    return files


@pytest.fixture(scope="module")
def expected(contents: list[bytes]) -> list[int | None]:
    return [prediction.digit for prediction in DigitClassifier().stream(contents)]


def as_bytes(contents: list[bytes], _: np.ndarray) -> Any:
    return contents


def as_pairs(contents: list[bytes], _: np.ndarray) -> Any:
    return [{"bytes": content, "path": f"{at}.png"} for at, content in enumerate(contents)]


@pytest.mark.parametrize("make", [as_bytes, as_pairs])
def test_table_of_arrow(
    make: Callable[..., Any],
    contents: list[bytes],
    images: np.ndarray,
    expected: list[int | None],
) -> None:
    table = pyarrow.table(
        {"label": range(COUNT), "image": make(contents, images), "digit": ["x"] * COUNT}
    )
    predicted = Predict()(table)
    assert predicted.column("digit").to_pylist() == expected
    assert predicted.column("label").to_pylist() == [*range(COUNT)]
    assert predicted.column("input_digit").to_pylist() == ["x"] * COUNT
    names = [f"{at}.png" for at in range(COUNT)] if make is as_pairs else [None] * COUNT
    assert predicted.column("path").to_pylist() == names
    assert "image" not in predicted.column_names
    assert "image" in Predict(keep_pictures=True)(table).column_names


@pytest.mark.parametrize("kind", ["stack", "objects", "bytes", "names"])
def test_dict_of_numpy(
    kind: str, contents: list[bytes], images: np.ndarray, expected: list[int | None]
) -> None:
    pictures: Any = images
    if kind == "objects":
        pictures = np.empty(COUNT, object)
        pictures[:] = [*images]
    elif kind == "bytes":
        pictures = np.array(contents, object)
    elif kind == "names":
        pictures = np.array([str(SAMPLES / "7-pen.png")] * COUNT, object)
    batch = {"picture": pictures, "label": np.arange(COUNT)}
    predicted = Predict()(batch)
    assert predicted.column("digit").to_pylist() == ([7] * COUNT if kind == "names" else expected)
    assert predicted.column("label").to_pylist() == [*range(COUNT)]


def test_what_cannot_be_read_is_an_error_in_its_row(contents: list[bytes]) -> None:
    table = pyarrow.table(
        {
            "image": pyarrow.array([contents[0], b"none", None, b""], pyarrow.binary()),
            "path": ["a", "b", None, "d"],
        }
    )
    predicted = Predict()(table)
    assert predicted.column("path").to_pylist() == ["a", "b", None, "d"]
    errors = predicted.column("error").to_pylist()
    assert errors[0] is None
    assert errors[1].startswith("b: not an image")
    assert errors[2] == "image: no picture in this row"
    assert errors[3] == "d: the file is empty"
    assert predicted.column("probabilities").to_pylist()[1:] == [None] * 3


def test_columns_are_named_where_there_is_none() -> None:
    with pytest.raises(UsageError, match="column imag: there is no such column; did you mean"):
        Predict(column="imag")(pyarrow.table({"image": [b"x"], "label": [1]}))
    with pytest.raises(UsageError, match="which column has the"):
        Predict()({"label": np.arange(3)})


def test_empty_batch_has_the_columns_of_others(contents: list[bytes]) -> None:
    table = pyarrow.table({"image": contents[:2], "label": [1, 2]})
    whole, empty = Predict()(table), Predict()(table.slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema.names[: len(whole.schema)][:5] == whole.schema.names[:5]


def test_numbers_are_read() -> None:
    content = next((SAMPLES / "numbers").glob("chalk.jpg")).read_bytes()
    read = Read(length="1-9")(pyarrow.table({"image": [content, b"none"]}))
    assert read.column("text").to_pylist()[0]
    assert read.column("error").to_pylist()[1] == (
        "image: not an image in any format that is read; save it as PNG or JPEG"
    )


@pytest.mark.parametrize(
    ("value", "source", "name"),
    [
        (b"x", b"x", None),
        ("x.png", "x.png", "x.png"),
        ({"bytes": b"x", "path": "y"}, b"x", "y"),
        ({"bytes": None, "path": "y"}, "y", "y"),
        (bytearray(b"x"), b"x", None),
    ],
)
def test_forms_of_a_picture(value: object, source: object, name: str | None) -> None:
    assert picture_and_name(value) == (source, name)


def test_configuration_is_what_is_sent(contents: list[bytes]) -> None:
    """Engines send the class and its arguments, or a made one."""
    predict = pickle.loads(pickle.dumps(Predict(min_confidence=1.0)))
    rows = predict(pyarrow.table({"image": contents[:5]}))
    assert rows.column("digit").null_count > 0
