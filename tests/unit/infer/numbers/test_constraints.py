"""Constraints: the numbers that an automaton accepts are those that Python's `re` matches."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from mnist_edge import UsageError
from mnist_edge.numbers.constraints import Choices, Constraint, Length, Pattern, combine

SHORT = ["".join(digits) for n in range(5) for digits in itertools.product("0159", repeat=n)]


def accepts(constraint: Constraint, number: str) -> bool:
    state = constraint.start
    for digit in number:
        following = constraint.step(state, int(digit))
        if following is None:
            return False
        state = following
    return constraint.accepts(state)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{2}",
        r"\d{1,3}",
        r"\d{2,}",
        r"1?5*",
        r"(10|5)+",
        r"(?:01|1)*9?",
        r"[0-4]{2}[^5]",
        r"[159]+",
        r"(1(0|5)?){2}",
        r".*9",
        r"",
        r"0|1|",
        r"[\d]{3}",
        r"(1*)*5",
    ],
)
def test_pattern_accepts_what_re_matches(pattern: str) -> None:
    constraint = Pattern(pattern)
    assert [n for n in SHORT if accepts(constraint, n)] == [
        n for n in SHORT if re.fullmatch(pattern, n)
    ]


@pytest.mark.parametrize(
    "pattern",
    ["(1", "1)", "a", r"\w", "[a-z]", "[5", "1{0}", "1{5,2}", "1{99}", "*", "^1", "(?i)1"],
)
def test_other_patterns_are_an_error(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"--pattern .*can be used"):
        Pattern(pattern)


def test_nested_repetitions_do_not_take_all_memory() -> None:
    with pytest.raises(UsageError, match="too large"):
        Pattern("((((1{60}){60}){60}){60})")


@pytest.mark.parametrize(("text", "lengths"), [("5", {5}), ("2-4", {2, 3, 4}), ("1", {1})])
def test_length(text: str, lengths: set[int]) -> None:
    constraint = Length.parse(text)
    assert {n for n in range(8) if accepts(constraint, "7" * n)} == lengths


@pytest.mark.parametrize("text", ["", "0", "5-2", "-3", "a", "1-", "2-3-4", "٣"])
def test_other_lengths_are_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="--length"):
        Length.parse(text)


def test_choices_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("0015\n15\n\n1 590\n", "utf-8")
    constraint = Choices.read(tmp_path / "list")
    assert [n for n in SHORT if accepts(constraint, n)] == ["15", "0015", "1590"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"12\nabc\n", b"\xff\xfe\x00", b"1\xb2\n"])
def test_a_file_without_numbers_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError, match="--choices .*list"):
        Choices.read(tmp_path / "list")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Choices.read(tmp_path / "none")


def test_several_must_all_accept() -> None:
    constraint = combine([Length(2, 3), None, Pattern("1.*")])
    assert constraint is not None
    assert [n for n in SHORT if accepts(constraint, n)] == [
        n for n in SHORT if len(n) in (2, 3) and n[0] == "1"
    ]
    assert combine([None, None]) is None
