from __future__ import annotations

import pytest

from mnist_edge.errors import NoDigitError
from mnist_edge_trainer.numbers.scoring import (
    Answer,
    digits_of,
    edit_distance,
    overlap,
    read_all,
    score,
)
from mnist_edge_trainer.numbers.test_sets.records import NumberPicture


def picture(text: str, *boxes: tuple[float, float, float, float]) -> NumberPicture:
    return NumberPicture(text.encode(), text, boxes)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("kitten", "sitting", 3), ("", "12", 2), ("12", "", 2), ("19978", "1997", 1), ("7", "7", 0)],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    # 5 x 10 of 15 x 10 are common.
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    # Apart both ways: no product of two negative sides.
    assert overlap((0, 0, 1, 1), (5, 5, 6, 6)) == 0


def test_only_ascii_digits_are_compared() -> None:
    assert digits_of("$ 1,250.00 ²٣") == "125000"


def test_scores_of_four_pictures() -> None:
    answers = {
        "123": Answer("123", 0.99, ((0, 0, 10, 10),)),
        "45": Answer("46", 0.95),
        "678": Answer("6789", 0.4),
    }

    def read(number: NumberPicture) -> Answer:
        if number.text not in answers:
            raise NoDigitError("nothing")
        return answers[number.text]

    pictures = [
        picture("123", (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)),
        picture("45", (0, 0, 10, 10), (20, 0, 30, 10)),
        picture("678"),
        picture("90"),
    ]
    results = read_all(read, pictures)
    scores = score(results)

    assert [result.digits for result in results] == ["123", "46", "6789", ""]
    assert scores.accuracy == 0.25
    # One replaced, one inserted, two deleted; of ten digits.
    assert scores.digit_error_rate == pytest.approx(0.4)
    assert scores.confidently_wrong == 0.25
    assert scores.located == pytest.approx(0.1)
    # Each in a bin of its own: |1 - 0.99|, |0 - 0.95| in the same bin, |0 - 0.4|, |0 - 0|.
    assert scores.ece == pytest.approx((abs(1 - 1.94) + 0.4 + 0) / 4)
