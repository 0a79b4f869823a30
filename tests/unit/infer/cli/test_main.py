"""The short road to `predict` and the long one through the parser of every command are one."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

import mnist_edge.cli.predict
from mnist_edge import UsageError
from mnist_edge.cli import main as program_module
from mnist_edge.cli.app import app
from mnist_edge.cli.main import ExitCode, exit_code_of, interruptible_imports, parse_predict

DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(mnist_edge.cli.predict.run).parameters.items()
    if name not in ("paths", "ahead")  # the latter is no option
}

VALUES = {
    "--model": st.sampled_from(["x.onnx", "mnist-edge-fp32"]),
    "--format": st.sampled_from(["table", "csv", "xml"]),
    "--output": st.sampled_from(["out.csv", "a b/c.csv"]),
    "--files-from": st.sampled_from(["-", "list.txt"]),
    "--top-k": st.integers(1, 1000).map(str),
    "--min-confidence": st.floats(0, 1).map(str),
    "--sort-into": st.just("sorted"),
    "--workers": st.integers(1, 256).map(str),
    "--threads": st.integers(1, 256).map(str),
    "--save-preprocessed": st.just("seen"),
}
SWITCHES = [
    *("--resume", "--recursive", "--no-recursive", "--null", "-0", "--summary", "--link", "--show")
]


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


def long_road(arguments: list[str]) -> dict[str, Any] | None:
    """What the command is called with by way of Typer; None where it is not."""
    called: dict[str, Any] = {}

    def record(**given_options: Any) -> int:
        called.update(given_options)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist_edge.cli.predict, "run", record)
        CliRunner().invoke(app, ["predict", *arguments])
    return called or None


@settings(deadline=None)
@given(options())
def test_both_roads_lead_to_the_same_call(arguments: list[str]) -> None:
    short = parse_predict(["predict", *arguments])
    assert short is not None
    long = long_road(arguments)
    assert long is not None
    assert {**DEFAULTS, **short, "paths": short["paths"] or []} == {
        **long,
        "paths": long["paths"] or [],
    }


def test_every_option_is_known_to_both() -> None:
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
def test_whatever_is_not_plain_takes_the_long_road(arguments: list[str]) -> None:
    assert parse_predict(arguments) is None


def test_whatever_ends_the_work_is_a_line_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> int:
        raise error

    assert exit_code_of(lambda: 0) == 0
    assert exit_code_of(lambda: fail(UsageError("a\nb"))) == ExitCode.USAGE
    assert exit_code_of(lambda: fail(KeyboardInterrupt())) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "mnist-edge: a\\x0ab\n"
    assert program_module.ExitCode.SOME_FAILED == 1


@pytest.fixture
def handler() -> Iterator[Callable[[object], None]]:
    """Sets what SIGINT does; what it did before comes back."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda chosen: signal.signal(signal.SIGINT, chosen)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_process_at_once_while_packages_are_imported(
    handler: Callable[[object], None],
) -> None:
    handler(signal.default_int_handler)
    with interruptible_imports():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_is_told_to_ignore_ctrl_c_goes_on_doing_so(
    handler: Callable[[object], None],
) -> None:
    handler(signal.SIG_IGN)
    with interruptible_imports():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
