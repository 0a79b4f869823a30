"""Every end of a command becomes one line and an exit code; Ctrl-C is safe during imports."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from mnist_edge import ImageError, ModelError, UsageError
from mnist_edge.cli.console import interruptible_imports
from mnist_edge.cli.exit_codes import ExitCode, exit_code_of


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("a\nb"), ExitCode.USAGE, "mnist-edge: a\\x0ab\n"),
        (ModelError("m.onnx: damaged"), ExitCode.USAGE, "mnist-edge: m.onnx: damaged\n"),
        (ImageError("x.png: empty"), ExitCode.SOME_FAILED, "mnist-edge: x.png: empty\n"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert exit_code_of(fail) == code
    assert capsys.readouterr().err == line


def test_a_result_is_passed_on() -> None:
    assert exit_code_of(lambda: 0) == 0
    assert exit_code_of(lambda: None) is None


@pytest.fixture
def set_handler() -> Iterator[Callable[[object], object]]:
    """Sets what SIGINT does; what it did before comes back."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_process_at_once_during_imports(
    set_handler: Callable[[object], object],
) -> None:
    set_handler(signal.default_int_handler)
    with interruptible_imports():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_ctrl_c_stays_ignored_during_imports(
    set_handler: Callable[[object], object],
) -> None:
    set_handler(signal.SIG_IGN)
    with interruptible_imports():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
