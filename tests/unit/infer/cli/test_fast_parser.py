"""The fast parser and Typer make the same options of every plain command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

import mnist_edge.cli.predict
import mnist_edge.cli.read
from mnist_edge import UsageError
from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.batch.read_options import ReadOptions
from mnist_edge.cli.app import app
from mnist_edge.cli.fast_parser import parse_plain

VALUES = {
    "--model": st.sampled_from(["x.onnx", "mnist-edge-fp32"]),
    "--format": st.sampled_from(["table", "csv", "xml"]),
    "--output": st.sampled_from(["out.csv", "a b/c.csv"]),
    "--files-from": st.sampled_from(["-", "list.txt"]),
    "--column": st.sampled_from(["path", "a b"]),
    "--shard": st.sampled_from(["0/4", "99/100"]),
    "--top-k": st.integers(1, 1000).map(str),
    "--min-confidence": st.floats(0, 1).map(str),
    "--sort-into": st.just("sorted"),
    "--workers": st.integers(1, 256).map(str),
    "--threads": st.integers(1, 256).map(str),
    "--save-preprocessed": st.just("seen"),
}
SWITCHES = (
    "--resume",
    "--recursive",
    "--no-recursive",
    "--null",
    "-0",
    "--summary",
    "--link",
    "--show",
)


def options() -> st.SearchStrategy[list[str]]:
    separate = st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: VALUES[name].map(lambda value: [name, value])
    )
    joined = separate.map(lambda pair: ["=".join(pair)])
    switch = st.sampled_from(SWITCHES).map(lambda name: [name])
    path = st.sampled_from(["a.png", "-", "b c.jpg", "*.png", ""]).map(lambda name: [name])
    return st.lists(st.one_of(separate, joined, switch, path), max_size=8).map(
        lambda parts: [argument for part in parts for argument in part]
    )


def parse_with_typer(arguments: list[str]) -> PredictOptions | str:
    """The options that the command is called with, or the error that it ends with."""
    called: list[PredictOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist_edge.cli.predict, "run", called.append)
        result = CliRunner().invoke(app, ["predict", *arguments])
    return called[0] if called else result.stderr.strip()


@settings(deadline=None)
@given(options())
def test_both_parsers_give_the_same_options(arguments: list[str]) -> None:
    fast: PredictOptions | ReadOptions | str | None
    try:
        fast = parse_plain(["predict", *arguments])
    except UsageError as error:
        fast = f"mnist-edge: {error}"
    assert fast is not None
    assert fast == parse_with_typer(arguments)


def test_both_parsers_know_the_same_flags() -> None:
    command = get_command(app).commands["predict"]  # type: ignore[attr-defined]
    known = {
        flag
        for parameter in command.params
        if parameter.param_type_name == "option"
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    assert known == {*VALUES, *SWITCHES}


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["--version"],
        [],
        ["predict", "--help"],
        ["predict", "--modle", "x"],
        ["predict", "--paths", "x"],
        ["predict", "x.png", "--top-k", "0"],
        ["predict", "x.png", "--top-k", "two"],
        ["predict", "x.png", "--min-confidence", "1.5"],
        ["predict", "x.png", "--min-confidence", "nan"],
        ["predict", "x.png", "--output"],
        ["predict", "x.png", "--show=yes"],
        ["predict", "-x"],
        ["predict", "--", "-x.png"],
    ],
)
def test_other_command_lines_are_left_to_typer(arguments: list[str]) -> None:
    assert parse_plain(arguments) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"resume": True}, "--resume: needs --output"),
        (
            {"resume": True, "output": Path("x.json"), "format": "json"},
            "--format jsonl, csv or parquet",
        ),
        ({"link": True}, "--link: needs --sort-into"),
        ({"files_from": "-", "paths": ["-"]}, "--files-from -: stdin"),
        ({"output": Path()}, "is a folder"),
        ({"format": "parquet"}, "--format parquet: needs --output"),
        ({"output": Path("s3:/a/x.csv")}, "must be a file here"),
        ({"shard": "4/4"}, "--shard 4/4"),
        ({"output": Path("{shard}.csv")}, "needs --shard"),
    ],
)
def test_options_that_contradict_one_another_are_refused(
    values: dict[str, object], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        PredictOptions(**values)  # type: ignore[arg-type]


def test_a_plain_read_is_parsed_like_typer_does() -> None:
    arguments = ["a.png", "--length", "2-8", "--pattern=\\d+", "--alternatives", "0", "--show"]
    called: list[ReadOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist_edge.cli.read, "run", called.append)
        CliRunner().invoke(app, ["read", *arguments])
    assert called == [parse_plain(["read", *arguments])]
    assert parse_plain(["read", "a.png", "--top-k", "2"]) is None
