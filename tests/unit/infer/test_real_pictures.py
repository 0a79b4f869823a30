"""Pictures that were made without MNIST and without the simulator (see tests/data/README.md)."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge import DigitClassifier, Prediction
from tests.conftest import ROOT

DATA = ROOT / "tests" / "data"


def read(folder: str) -> tuple[list[Prediction], list[str]]:
    paths = sorted(path for path in (DATA / folder).iterdir() if not path.name.startswith("blank"))
    assert len(paths) >= 60
    classifier = DigitClassifier(min_confidence=0)
    return list(classifier.stream(paths)), [path.name for path in paths]


@pytest.mark.parametrize(("folder", "wanted"), [("pictures", 0.97), ("scans", 0.9)])
def test_digits_are_read(folder: str, wanted: float) -> None:
    predictions, names = read(folder)
    wrong = [
        (name, prediction.digit, prediction.confidence)
        for prediction, name in zip(predictions, names, strict=True)
        if prediction.digit != int(name[0])
    ]
    assert len(wrong) <= (1 - wanted) * len(names), wrong
    sure_and_wrong = [name for name, _, confidence in wrong if (confidence or 0) > 0.9]
    assert len(sure_and_wrong) <= 0.02 * len(names), sure_and_wrong


def test_what_is_no_digit_is_not_told_for_one_with_confidence() -> None:
    predictions, _ = read("not-digits")
    confidence = np.array([prediction.confidence or 0.0 for prediction in predictions])
    assert (confidence > 0.9).mean() <= 0.1


def test_blank_pages_have_no_digit() -> None:
    pages = sorted((DATA / "not-digits").glob("blank*"))
    assert pages
    for prediction in DigitClassifier().stream(pages):
        assert prediction.digit is None
        assert "no digit found" in str(prediction.error)
