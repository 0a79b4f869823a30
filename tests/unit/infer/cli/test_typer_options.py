"""Typer's parameters, made of a dataclass: flags, panels, and hidden flags of earlier releases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mnist_edge.cli.typer_options import with_options
from mnist_edge.options import option


@dataclass(frozen=True)
class Options:
    """Options of a command that was renamed here and there."""

    names: list[str] | None = option(None, "Names.", "--name", hidden_flags=("--old-name",))
    workers: int = option(
        2, "Workers.", hidden_flags=("--jobs", "--threads"), minimum=1, maximum=8, panel="Speed"
    )
    output: Path | None = option(None, "A file.", hidden_flags=("--out",), metavar="FILE")
    quiet: bool = option(False, "Print less.", "--quiet", hidden_flags=("--silent",))


received: list[Options] = []
app = typer.Typer()


@app.command()
@with_options(Options)
def command(options: Options) -> None:
    """Do something."""
    received.append(options)


def parse(*arguments: str) -> Options:
    received.clear()
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return received[0]


def test_defaults_are_those_of_the_dataclass() -> None:
    assert parse() == Options()


def test_flags_set_their_fields() -> None:
    options = parse("--name", "a", "--name", "b", "--workers", "3", "--output", "x", "--quiet")
    assert options == Options(names=["a", "b"], workers=3, output=Path("x"), quiet=True)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--old-name", "a", "--old-name", "b"], Options(names=["a", "b"])),
        (["--jobs", "3"], Options(workers=3)),
        (["--threads", "3"], Options(workers=3)),
        (["--out", "x"], Options(output=Path("x"))),
        (["--silent"], Options(quiet=True)),
    ],
)
def test_hidden_flag_sets_the_field_of_the_new_one(arguments: list[str], options: Options) -> None:
    assert parse(*arguments) == options


def test_new_flag_wins_over_the_hidden_one() -> None:
    assert parse("--jobs", "3", "--workers", "4") == Options(workers=4)


def test_hidden_flag_has_the_range_of_the_new_one() -> None:
    done = CliRunner().invoke(app, ["--jobs", "9"])
    assert done.exit_code == 2
    assert "--jobs" in done.output


def test_help_shows_panels_and_no_hidden_flag() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert "─ Speed ─" in text
    assert "--workers" in text
    for flag in ("--old-name", "--jobs", "--threads", "--out ", "--silent"):
        assert flag not in text
