"""Batches of an engine's table -> the same rows with their predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

import numpy as np

from mnist_edge.errors import ImageError, ImageReadError, UsageError
from mnist_edge.inputs.columns import import_pyarrow, pick_pictures, unwrapped
from mnist_edge.inputs.limits import LARGEST_FILE
from mnist_edge.outputs.formats import ArrowDocument, R
from mnist_edge.types import ImageSource

__all__ = ["TablePredictor", "picture_and_name"]

Predict = Callable[[Sequence["ImageSource | ImageError"], Sequence[str | None]], list[R]]
"""`DigitClassifier.predict_batch` or `NumberReader.read_batch`."""

_PATH = "path"
"""Column that holds the names of the pictures, where there is one."""

_AT_ONCE = 128
"""Pictures that are decoded before the network sees them, however large a batch is."""


class TablePredictor(Generic[R]):
    """Predicts the pictures of a batch, which may be a `pyarrow.Table` or a dict of arrays.

    Args:
        predict: predicts some pictures.
        document: what a prediction looks like in a row.
        column: that has the pictures: bytes of files, ``{bytes, path}``, arrays, or names; None =
            it is found by its name and type.
        keep_pictures: keep that column.
    """

    def __init__(
        self,
        predict: Predict[R],
        document: ArrowDocument[R],
        column: str | None = None,
        *,
        keep_pictures: bool = False,
    ) -> None:
        self._predict = predict
        self._document = document
        self._column = column
        self._keep_pictures = keep_pictures

    def __call__(self, batch: Any) -> Any:
        """Predicts a batch.

        Returns:
            `pyarrow.Table` of the same rows: columns of the prediction, and then those of the batch
            without the pictures.

        Raises:
            UsageError: it has no column of pictures.
        """
        pyarrow = import_pyarrow("mnist_edge.integrations")
        table = batch if isinstance(batch, pyarrow.Table) else None
        names = [*batch] if table is None else table.column_names
        count = len(batch[names[0]]) if names else 0
        column = _pick(batch, names, self._column) if count else self._column
        pictures = [] if column is None or not count else _values(batch[column])
        paths: list[Any] = [None] * count
        if _PATH in names and column != _PATH and count:
            paths = _values(batch[_PATH])
        pieces = [
            self._rows(pictures[start : start + _AT_ONCE], paths[start : start + _AT_ONCE])
            for start in range(0, count, _AT_ONCE)
        ]
        predicted = pyarrow.Table.from_batches(pieces, schema=self._document.schema)
        for name in names:
            if name not in (_PATH, column) or (name == column != _PATH and self._keep_pictures):
                values = batch[name] if table is not None else _as_arrow(batch[name])
                predicted = predicted.append_column(self._document.carried_name(name), values)
        return predicted

    def _rows(self, pictures: Sequence[Any], paths: Sequence[Any]) -> Any:
        pairs = [picture_and_name(value, path) for value, path in zip(pictures, paths, strict=True)]
        sources, names = [source for source, _ in pairs], [name for _, name in pairs]
        return self._document.rows(self._predict(sources, names))


def picture_and_name(
    value: Any, name: str | None = None
) -> tuple[ImageSource | ImageError, str | None]:
    """What to decode, and what to call it.

    Args:
        value: bytes of a file, ``{bytes, path}`` as Hugging Face's datasets have it, an array, the
            name or URL of a file, or None.
        name: of the picture, where the row says it.
    """
    value, inner = unwrapped(value)
    name = name or inner
    if isinstance(value, str) and value:
        return value, name or value
    if isinstance(value, bytes | bytearray | memoryview):
        if len(value) > LARGEST_FILE:
            return ImageReadError(f"{name or 'image'}: larger than {LARGEST_FILE >> 20} MiB"), name
        return bytes(value), name
    if isinstance(value, np.ndarray) and value.ndim >= 2:
        return value, name
    return ImageReadError(f"{name or 'image'}: no picture in this row"), name


def _pick(batch: Any, names: Sequence[str], asked: str | None) -> str:
    kinds = {name: _kind(batch[name]) for name in names}
    pictures = [name for name in names if kinds[name] == "pictures"]
    texts = [name for name in names if kinds[name] == "names"]
    try:
        return pick_pictures(names, pictures, texts, asked)
    except ValueError as error:
        raise UsageError(str(error).replace("--column", "column")) from error


def _kind(values: Any) -> str:
    """What a column holds, by its first value that is one."""
    for value in values:
        known = value.as_py() if hasattr(value, "as_py") else value
        if known is None:
            continue
        if isinstance(known, Mapping):
            return "pictures" if "bytes" in known else ""
        is_array = isinstance(known, np.ndarray) and known.ndim >= 2
        if is_array or isinstance(known, bytes | bytearray | memoryview):
            return "pictures"
        return "names" if isinstance(known, str) else ""
    return ""


def _values(column: Any) -> list[Any]:
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _as_arrow(values: Any) -> Any:
    pyarrow = import_pyarrow("mnist_edge.integrations")
    is_flat = not isinstance(values, np.ndarray) or values.ndim == 1
    return pyarrow.array(values if is_flat else list(map(np.ndarray.tolist, values)))
