"""A signal ends the program after the row that is being written, and ends it in any case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_WAIT = """
import os, signal, sys
from mnist_edge.outputs import interrupts
from mnist_edge.outputs.interrupts import Interrupted, end_between_rows, whole_rows

def send(number):
    os.kill(os.getpid(), number)

def say(word):
    print(word, flush=True)

end_between_rows()
"""


def run(code: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WAIT + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_waits_for_the_end_of_the_rows(number: signal.Signals) -> None:
    done = run(f"""
try:
    with whole_rows():
        with whole_rows():
            send({number})
        say("a whole row")
    say("never")
except Interrupted:
    say(interrupts.exit_code())
""")
    assert (done.stdout, done.stderr) == (f"a whole row\n{128 + number}\n", "")


def test_signal_ends_everything_else_at_once() -> None:
    done = run(
        """
try:
    send(signal.SIGTERM)
    say("never")
except KeyboardInterrupt:
    send(signal.SIGINT)  # the second one does not tear what is closed now
    with contextlib_suppress():
        with whole_rows():
            say("the end of the document")
            send(signal.SIGTERM)
        say("never")
    say(interrupts.exit_code())
""".replace("contextlib_suppress()", "__import__('contextlib').suppress(Interrupted)")
    )
    assert (done.stdout, done.stderr) == ("the end of the document\n143\n", "")


def test_reader_that_takes_nothing_cannot_keep_the_program_for_ever() -> None:
    ours, theirs = os.pipe()
    code = f"{_WAIT}\nwith whole_rows():\n    say('x' * 10_000_000)\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs) as process:
        os.close(theirs)
        os.read(ours, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    os.close(ours)


def test_ignored_ctrl_c_stays_ignored() -> None:
    done = run("""
signal.signal(signal.SIGINT, signal.SIG_IGN)
end_between_rows()
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
""")
    assert done.stdout == "True\n"
