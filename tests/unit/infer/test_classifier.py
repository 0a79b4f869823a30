"""DigitClassifier on real digits."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier, ImageReadError, NoDigitError, SeveralDigitsError
from mnist_edge.bundled import bundled_number_models
from mnist_edge.types import ImageSource
from tests.conftest import Digits


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    return DigitClassifier()


def test_every_sample_is_predicted(classifier: DigitClassifier, samples: Path) -> None:
    pictures = sorted([*samples.glob("*.png"), *samples.glob("*.jpg")])
    assert len(pictures) == 30
    for picture, prediction in zip(pictures, classifier.stream(pictures), strict=True):
        assert prediction.path == str(picture)
        assert prediction.digit == int(picture.name[0])
        assert prediction.error is None


def test_path_bytes_file_image_and_array_agree(classifier: DigitClassifier, samples: Path) -> None:
    path = samples / "4-pen.png"
    with path.open("rb") as file, Image.open(path) as image:
        sources: list[ImageSource] = [
            path,
            str(path),
            path.read_bytes(),
            file,
            image,
            np.asarray(image),
        ]
        predictions = [classifier.predict(source) for source in sources]
    for prediction in predictions:
        assert prediction.digit == 4
        np.testing.assert_array_equal(prediction.probabilities, predictions[0].probabilities)
    assert [p.path for p in predictions[:4]] == [str(path), str(path), None, str(path)]


def test_fields_of_a_prediction_are_consistent(classifier: DigitClassifier, samples: Path) -> None:
    prediction = classifier.predict(samples / "8-card.jpg")
    assert prediction.probabilities is not None
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities.shape == (10,)
    assert prediction.digit == prediction.probabilities.argmax()
    assert prediction.confidence == pytest.approx(float(prediction.probabilities.max()))
    top = prediction.top(3)
    assert top[0] == (prediction.digit, prediction.confidence)
    assert top[0][1] >= top[1][1] >= top[2][1]


def test_predict_raises_and_stream_carries_on(
    classifier: DigitClassifier, samples: Path, tmp_path: Path
) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (50, 50), 255).save(blank)
    missing = tmp_path / "missing.png"
    with pytest.raises(NoDigitError):
        classifier.predict(blank)
    with pytest.raises(ImageReadError):
        classifier.predict(missing)
    good = samples / "2-mnist.png"
    predictions = list(classifier.stream([good, blank, missing, good]))
    assert [prediction.digit for prediction in predictions] == [2, None, None, 2]
    assert [prediction.path for prediction in predictions] == [
        str(p) for p in (good, blank, missing, good)
    ]
    assert "no digit found" in (predictions[1].error or "")
    assert str(missing) in (predictions[2].error or "")


def test_stream_is_lazy_and_keeps_the_order(
    classifier: DigitClassifier, test_digits: Digits
) -> None:
    images, labels = test_digits
    endless = itertools.cycle(images)
    predictions = list(itertools.islice(classifier.stream(endless), 200))
    assert np.mean([a.digit == label for a, label in zip(predictions, labels, strict=False)]) > 0.98
    alone = [classifier.predict(image).digit for image in images[:200]]
    assert [prediction.digit for prediction in predictions] == alone


def test_predictions_below_the_threshold_are_rejected(test_digits: Digits) -> None:
    images = test_digits[0][:1000]
    eager, careful = DigitClassifier(min_confidence=0), DigitClassifier(min_confidence=0.9)
    rejected = 0
    for free, held in zip(eager.stream(images), careful.stream(images), strict=True):
        assert free.confidence == held.confidence
        if free.confidence is not None and free.confidence < 0.9:
            rejected += 1
            assert held.digit is None
            assert held.probabilities is not None
            assert "unsure" in (held.error or "")
        else:
            assert held.digit == free.digit
    assert rejected > 0


def test_rejection_threshold_defaults_to_the_models(test_digits: Digits) -> None:
    classifier = DigitClassifier()
    stated = float(classifier.model.metadata["min_confidence"])
    assert classifier.min_confidence == stated
    assert 0 < stated < 0.9
    unsure = [p for p in classifier.stream(test_digits[0]) if p.digit is None]
    assert all(p.confidence is not None and p.confidence < stated for p in unsure)
    assert len(unsure) <= 20


def test_a_picture_without_pixels_fails_alone(test_digits: Digits) -> None:
    empty, digit = DigitClassifier().stream([Image.new("L", (0, 0)), test_digits[0][0]])
    assert "without pixels" in (empty.error or "")
    assert digit.digit == test_digits[1][0]


@pytest.mark.skipif(not bundled_number_models(), reason="this checkout has no models/numbers")
def test_a_number_is_an_error_that_says_it_and_one_digit_in_pieces_is_not(
    classifier: DigitClassifier, train_digits: Digits
) -> None:
    page = np.full((200, 300), 255, np.uint8)
    number = page.copy()
    number[80:108, 80:192] -= np.concatenate(train_digits[0][:4], axis=1)
    with pytest.raises(SeveralDigitsError, match=r"several digits \(looks like 5041\); use `mnist"):
        classifier.predict(np.kron(number, np.ones((3, 3), np.uint8)))
    pieces = page.copy()
    pieces[80:108, 80:108] -= train_digits[0][0]
    pieces[93:96] = 255
    assert classifier.predict(np.kron(pieces, np.ones((3, 3), np.uint8))).error is None
