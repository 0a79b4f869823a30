"""A line for a terminal holds nothing that steers it, and every letter that a name may have."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from mnist_edge.errors import one_line

EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]


def test_every_character_that_steers_a_terminal_is_escaped() -> None:
    steering = [
        character
        for character in EVERY_CHARACTER
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character)
        in ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN", "B", "S")
    ]
    assert {"\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\udcff"} <= set(steering)
    joiners = "\u200c\u200d"
    for character in steering:
        line = one_line(f"a{character}b")
        assert line.isprintable() != (character in joiners)
        assert line.isascii() != (character in joiners)


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u061c", "\u200b", "\ufeff", "\xad"])
def test_invisible_marks_are_escaped(mark: str) -> None:
    assert one_line(f"a{mark}b") == f"a{mark.encode('unicode_escape').decode()}b"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("new\nline\x1b[2J.png", "new\\x0aline\\x1b[2J.png"),
        ("\x9b31m.png", "\\x9b31m.png"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("\U000e0041.png", "\\U000e0041.png"),
        ("\udcff\ud800.png", "\\xff\\ud800.png"),
    ],
)
def test_escape_says_which_character_it_was(name: str, line: str) -> None:
    assert one_line(name) == line


@pytest.mark.parametrize(
    "name",
    [
        "七.png",
        "Größe 5.png",
        "Screenshot at 1.23\u202fPM.png",
        "\u3000.png",
        "\u0645\u06cc\u200c.png",
        "👩\u200d🔬.png",
        "[red]a[/red].png",
    ],
)
def test_names_of_all_languages_stay_as_they_are(name: str) -> None:
    assert one_line(name) == name
