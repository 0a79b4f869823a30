"""JSON of predictions, put together by hand: `json.dumps` takes five times as long for ten floats.

A test holds it to what `json.dumps` writes of `Prediction.to_dict`. With it, an array of 10,000
digits is predicted in nine tenths of the time (see ``docs/optimisations.md``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mnist_edge.classifier import Prediction

__all__ = ["json_row", "number_text", "probability_texts"]

_CACHED = 4096


class _Texts(dict[int, str]):
    """Caches the text of probabilities by their millionths: most have one of few values."""

    def __missing__(self, millionths: int) -> str:
        text = repr(millionths / 1e6)
        if len(self) < _CACHED:
            self[millionths] = text
        return text


_texts = _Texts()


def number_text(probability: float) -> str:
    """A probability with six decimals, as `json.dumps` writes it."""
    return _texts[round(probability * 1e6)]


def probability_texts(predictions: Sequence[Prediction]) -> Iterator[list[str] | None]:
    """Six decimals of each probability of each prediction; None where it has none."""
    known = [p.probabilities for p in predictions if p.probabilities is not None]
    millionths = np.rint(np.array(known, np.float64) * 1e6).astype(np.int64).tolist()
    rows = iter(millionths)
    for prediction in predictions:
        if prediction.probabilities is None:
            yield None
        else:
            yield [_texts[count] for count in next(rows)]


def json_row(
    prediction: Prediction, probabilities: list[str] | None, more: Mapping[str, object]
) -> str:
    """The five fields that every row has, as `Prediction.to_dict` names them, and more."""
    values = "null" if probabilities is None else f"[{', '.join(probabilities)}]"
    digit = "null" if prediction.digit is None else prediction.digit
    confidence = "null" if prediction.confidence is None else number_text(prediction.confidence)
    error = "null" if prediction.error is None else json.dumps(prediction.error)
    added = "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items())
    return (
        f'{{"path": {json.dumps(prediction.path)}, "digit": {digit}, '
        f'"confidence": {confidence}, "probabilities": {values}, "error": {error}{added}}}'
    )
