"""What the network says of lines becomes numbers: split, in rows, with boxes of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge.numbers.constraints import Choices, Constraint, Length
from mnist_edge.numbers.reading import Number, Rules, read
from mnist_edge.numbers.text_line import TextLine
from tests.unit.infer.numbers.columns import Columns, columns, spaced, text_line

SIZE = (4000, 3000)


def numbers(
    seen: Columns, rules: Rules | None = None, line: TextLine | None = None
) -> list[Number]:
    line = text_line(2 * len(seen.probabilities)) if line is None else line
    return read([line], [seen], rules or Rules(), (1.0, 1.0), SIZE)[0]


def texts(seen: Columns, constraint: Constraint | None = None) -> list[str]:
    return [number.text for number in numbers(seen, Rules(constraint))]


def test_leading_zeros_are_kept() -> None:
    assert texts(spaced("00120")) == ["00120"]


def test_a_line_is_split_at_wide_gaps_and_not_between_even_boxes() -> None:
    assert texts(spaced("305    1648")) == ["305", "1648"]
    # 20 columns apart, 40 pixels: the gaps are as wide as the digits are high.
    assert texts(spaced("1234", pitch=20)) == ["1234"]


def test_other_symbols_separate_numbers_and_are_not_read() -> None:
    assert texts(spaced("x12x34x")) == ["12", "34"]
    assert texts(spaced("xx")) == []


def test_separators_are_reported_with_their_place_and_are_no_digits() -> None:
    (number,) = numbers(spaced("12.50"))
    assert number.text == "1250"
    (separator,) = number.separators
    assert (separator.text, separator.after) == (".", 2)
    assert separator.box[0] > number.digits[1].box[0]


def test_a_constraint_joins_what_a_gap_separates() -> None:
    line = spaced("12    345")
    assert texts(line) == ["12", "345"]
    assert texts(line, Length(5, 5)) == ["12345"]
    assert texts(line, Length(2, 8)) == ["12", "345"]
    assert texts(line, Choices(["12", "999"])) == ["12"]


def test_what_a_constraint_does_not_allow_is_said() -> None:
    line = spaced("123")
    found, looks_like = read([text_line(84)], [line], Rules(Length(9, 9)), (1, 1), SIZE)
    assert (found, looks_like) == ([], "123")


def test_uncertain_digits_are_question_marks_and_a_number_of_them_alone_is_none() -> None:
    line = columns([(10, "1"), (20, {"4": 0.6, "9": 0.4}), (30, "7")])
    (number,) = numbers(line, Rules(min_confidence=0.9))
    assert number.text == "1?7"
    assert [digit.digit for digit in number.digits] == [1, None, 7]
    assert number.alternatives[0].text == "197"
    assert number.alternatives[0].confidence == pytest.approx(0.4, abs=0.01)
    assert numbers(columns([(20, {"4": 0.6, "9": 0.4})]), Rules(min_confidence=0.9)) == []


def test_confidence_is_calibrated_by_logistic_regression() -> None:
    line = columns([(20, {"4": 0.6, "9": 0.4})])
    plain, flat = (
        numbers(line, Rules(calibration=calibration))[0].confidence
        for calibration in ((1.0, 0.0), (0.5, -1.0))
    )
    assert plain == pytest.approx(0.6, abs=1e-3)
    assert flat == pytest.approx(1 / (1 + np.exp(1.0 - 0.5 * np.log(1.5))), abs=1e-3)


def test_a_number_that_a_constraint_hardly_allows_is_not_certain() -> None:
    line = columns([(20, {"4": 0.9995, "9": 0.0005})])
    (number,) = numbers(line, Rules(Choices(["9"])))
    assert number.text == "9"
    assert number.confidence < 0.5


def test_boxes_are_in_pixels_of_the_original_picture() -> None:
    line = text_line(64, x=100, y=50, scale=0.5)
    seen = columns([(10, "8")], 32)
    (number,) = read([line], [seen], Rules(), (4.0, 4.0), SIZE)[0]
    # Middle of column 10 is at 21; 8 to each side; half the size; in a picture reduced by four.
    assert number.box == (426, 208, 458, 256)


def test_boxes_stay_inside_the_picture() -> None:
    line = text_line(64, x=-40, y=-20)
    (number,) = read([line], [columns([(10, "8")], 32)], Rules(), (1, 1), (10, 5))[0]
    left, top, right, bottom = number.box
    assert 0 <= left < right <= 10
    assert 0 <= top < bottom <= 5


def reading_order(lines: list[TextLine]) -> list[tuple[int, str]]:
    """Row and text of lines that say 1, 2, 3, ... in the order in which they are given."""
    seen = [
        columns([(len(lines), str(i + 1))], line.image.shape[1] // 2)
        for i, line in enumerate(lines)
    ]
    found, _ = read(lines, seen, Rules(), (1, 1), SIZE)
    return [(number.row, number.text) for number in found]


def test_rows_come_first_then_left_to_right() -> None:
    lines = [
        text_line(100, 500, 8),
        text_line(100, 10, 100),
        text_line(100, 0, 0),
        text_line(100, 250, 95),
    ]
    assert reading_order(lines) == [(0, "3"), (0, "1"), (1, "2"), (1, "4")]


def test_a_chain_of_small_steps_stays_in_order() -> None:
    # Each is 10 pixels below its left neighbour, which a tolerance in y alone puts in wrong rows.
    angle = np.arctan2(10, 200)
    lines = [text_line(100, 200 * i, 10 * i, angle=angle) for i in (3, 0, 2, 1)]
    assert reading_order(lines) == [(0, "2"), (0, "4"), (0, "3"), (0, "1")]


def test_slanted_rows_above_one_another_are_not_mixed() -> None:
    angle = 0.25
    lines = [text_line(200, 0, y, angle=angle) for y in (0, 45, 90)]
    right = [text_line(200, 400, y + 400 * np.tan(angle), angle=angle) for y in (0, 45, 90)]
    assert reading_order([*right, *lines]) == [
        (0, "4"),
        (0, "1"),
        (1, "5"),
        (1, "2"),
        (2, "6"),
        (2, "3"),
    ]


def test_to_dict_has_the_documented_fields() -> None:
    (number,) = numbers(spaced("12.50"))
    fields = number.to_dict()
    assert list(fields) == [
        "text",
        "confidence",
        "box",
        "row",
        "digits",
        "alternatives",
        "separators",
    ]
    assert list(fields["digits"][0]) == ["digit", "confidence", "box"]
