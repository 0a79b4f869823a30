"""The two roads that an input goes, and what must hold at their end: the API, and `predict`."""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge import DigitClassifier
from mnist_edge.batch import runner
from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.classifier import Prediction
from mnist_edge.errors import MnistEdgeError
from mnist_edge.preprocess import normalize
from mnist_edge.preprocess.neighbors import DigitRow
from tests.conftest import SAMPLES
from tests.fuzz.findings import Broken, Report, place
from tests.fuzz.guards import Guard

__all__ = [
    "GOOD",
    "Answer",
    "check",
    "classifier",
    "outcome",
    "predict_all",
    "predict_rows",
    "remember_pixels",
    "try_one",
]

GOOD = SAMPLES / "7-mnist.png"
"""A picture that must be predicted whatever came before it."""

Answer = tuple[float | None, int | None]
"""Confidence and digit of a picture by one road."""


@functools.cache
def classifier() -> DigitClassifier:
    """The classifier that all cases of a process share."""
    return DigitClassifier()


def remember_pixels() -> None:
    """Finds the digit of the same pixels once: both roads need it, and most mutations keep them.

    It is a function of the pixels alone, and takes ten times as long as all the rest.
    """
    find = normalize.normalize_and_look_round
    found: dict[tuple[object, ...], tuple[npt.NDArray[np.uint8] | None, DigitRow | None]] = {}

    def remembering(
        picture: npt.NDArray[np.uint8],
    ) -> tuple[npt.NDArray[np.uint8] | None, DigitRow | None]:
        key = (picture.shape, picture.tobytes())
        if key not in found:
            if len(found) > 2000 or picture.size > 20_000:
                found.clear()
            found[key] = find(picture)
        return found[key]

    normalize.normalize_and_look_round = remembering


def outcome(error: MnistEdgeError) -> str:
    """How a case is counted that ended in a typed error."""
    return type(error).__name__


def try_one(
    number: int, predict: Callable[[], Prediction], guard: Guard, report: Report
) -> Answer | None:
    """Predicts one case by the API; whatever goes wrong is reported as a problem of it.

    Returns:
        the answer; None where there is none to compare with.
    """
    answer: Answer | None = None
    try:
        prediction = predict()
        check(prediction.probabilities)
        answer = (prediction.confidence, prediction.digit)
        report.outcomes["rejected" if prediction.digit is None else "predicted"] += 1
    except MnistEdgeError as error:
        if "\n" in str(error):
            report.problem("error of several lines", str(error), number)
        answer = (None, None)
        report.outcomes[outcome(error)] += 1
    except Exception as error:  # what is looked for
        report.outcomes["failed"] += 1
        report.problem(place(error), "".join(traceback.format_exception(error)), number)
    for event in guard.forbidden():
        report.problem(f"forbidden: {event.split()[0]}", event, number)
    if noise := guard.noise():
        report.problem("noise", noise, number)
    return answer


def check(probabilities: npt.NDArray[np.float32] | None) -> None:
    """Raises `Broken` where these are no probabilities."""
    if probabilities is None:
        return
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all()):
        raise Broken(f"nonsense: {probabilities}")
    if abs(float(probabilities.sum()) - 1) > 1e-3:
        raise Broken(f"nonsense: probabilities sum to {probabilities.sum()}")


def predict_rows(paths: Sequence[Path], output: Path, **options: Any) -> list[dict[str, Any]]:
    """Runs `mnist-edge predict` in this process, on one core by default.

    Returns:
        the rows of its JSON Lines.

    Raises:
        MnistEdgeError: the command could not be carried out.
        Broken: what it wrote is not right in itself.
    """
    errors: list[str] = []
    wanted = {"format": "jsonl", "output": output, "workers": 1, **options}
    summary = runner.predict(PredictOptions([*map(str, paths)], **wanted), errors.append)
    # A name may hold half of a character.
    lines = output.read_text("utf-8", errors="surrogateescape").split("\n")
    if lines.pop() != "":
        raise Broken("half a row: at the end")
    try:
        rows = [json.loads(line) for line in lines]
    except ValueError as error:
        raise Broken(f"row is not JSON: {error}") from error
    failed = sum(row["error"] is not None for row in rows)
    # A picture that cannot be sorted has a line, and its row.
    if failed != summary.errors or len(errors) < failed:
        raise Broken(f"errors differ: {failed} rows, {len(errors)} lines, {summary.errors} counted")
    for row in rows:
        check(row["probabilities"] and np.array(row["probabilities"], np.float32))
        if (row["digit"] is None) != (row["error"] is not None):
            raise Broken(f"neither digit nor error: {row}")
    return rows


def predict_all(paths: Sequence[Path], output: Path, **options: Any) -> list[dict[str, Any]]:
    """Like `predict_rows`, where no input may end the run: that is `Broken` too."""
    try:
        return predict_rows(paths, output, **options)
    except MnistEdgeError as error:
        raise Broken(f"run ended by {type(error).__name__}: {error}") from error
