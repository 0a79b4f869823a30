"""Constraints allow what Python's own means allow, and refuse the rest in one line."""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_edge import UsageError
from mnist_edge.numbers.constraints import Choices, Constraint, Length, Pattern, combine


def allows(constraint: Constraint | None, text: str) -> bool:
    assert constraint is not None
    state: Hashable | None = constraint.start
    for digit in text:
        state = constraint.step(state, int(digit))
        if state is None:
            return False
    return constraint.accepts(state)


def patterns() -> st.SearchStrategy[str]:
    one = st.sampled_from(["1", "2", r"\d", ".", "[12]", "[^1]", "[2-4]"])
    counts = st.sampled_from(["?", "*", "+", "{2}", "{1,2}", "{0,2}", "{2,}", "{0}"])
    return st.recursive(
        one,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
            st.tuples(inner, counts).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
            inner.map(lambda text: f"({text}|)"),
        ),
        max_leaves=6,
    )


@settings(deadline=None)
@given(patterns(), st.lists(st.text("1234", min_size=1, max_size=6), min_size=5, max_size=10))
def test_patterns_match_what_pythons_regular_expressions_match(
    pattern: str, numbers: list[str]
) -> None:
    try:
        constraint = Pattern(pattern)
    except UsageError:  # of a pattern that only the empty text matches
        assert not any(re.fullmatch(pattern, number) for number in numbers)
        return
    for number in numbers:
        assert allows(constraint, number) == bool(re.fullmatch(pattern, number))


@settings(deadline=None)
@given(st.text(r"0123456789\d[]()?*+{},.^$-|a", max_size=24))
def test_any_pattern_is_understood_or_refused(pattern: str) -> None:
    with contextlib.suppress(UsageError):
        allows(Pattern(pattern), "0123456789")


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a", "[", "[]", "[5-2]", "[^0-9]", "{2}", "*", "1**", "1{3,2}", "1{,3}", "1{"),
        *(r"\w", "\\", r"\d\.\d", "1 2", "(?=1)", "", "(" * 100, "1{99999}", "(1{999}){999}"),
    ],
)
def test_what_is_no_pattern_of_digits_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"^--pattern "):
        Pattern(pattern)


@pytest.mark.parametrize(("text", "lengths"), [("5", {5}), (5, {5}), ("2-4", {2, 3, 4})])
def test_length_allows_its_lengths_alone(text: str | int, lengths: set[int]) -> None:
    constraint = Length.parse(text)
    assert {n for n in range(1, 9) if allows(constraint, "0" * n)} == lengths


@pytest.mark.parametrize("text", ["", "0", "5-2", "-3", "five", "2-", "1000000", "3.5", "\u0665"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--length "):
        Length.parse(text)


def test_choices_are_read_from_a_file_with_leading_zeros(tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_bytes(b"\xef\xbb\xbf00123\r\n\r\n12-34\n 0012 \n")
    constraint = Choices.read(file)
    assert {n for n in ("00123", "1234", "0012", "123", "001", "12") if allows(constraint, n)} == {
        "00123",
        "1234",
        "0012",
    }


@pytest.mark.parametrize("content", [b"", b"\n \n", b"12\nabc\n", b"\xff\xfe\n", b"1" * 200])
def test_a_file_without_numbers_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"^--choices .*numbers\.txt"):
        Choices.read(file)


@pytest.mark.parametrize("name", ["missing.txt", "nul\0.txt", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Choices.read(f"{tmp_path}/{name}")


def test_all_constraints_must_hold() -> None:
    constraint = combine("3-4", r"1\d*", ["123", "1234", "13", "223"])
    numbers = ("123", "1234", "13", "223", "124")
    assert [number for number in numbers if allows(constraint, number)] == ["123", "1234"]
    assert combine() is None


def test_constraints_can_be_copied_and_pickled() -> None:
    constraint = combine("3", r"1\d*", ["123", "13"])
    for copied in (copy.deepcopy(constraint), pickle.loads(pickle.dumps(constraint))):
        assert allows(copied, "123")
        assert not allows(copied, "13")
