"""stderr holds the program's own lines; losing it loses nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import run_shell

_TAKEN = """
import os, sys
from mnist_edge.outputs import stderr
stderr.take_over()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _TAKEN + code], capture_output=True, text=True, check=False
    )


def test_lines_of_libraries_go_nowhere_and_ours_arrive() -> None:
    done = run("""
os.write(2, b"TIFFFetchNormalTag: Warning\\n")
print("ours", file=sys.stderr)
if os.fork() == 0:
    os.write(2, b"a library in a forked process\\n")
    print("of a forked process", file=sys.stderr, flush=True)
    os._exit(0)
os.wait()
raise SystemError("a fault")
""")
    lines = done.stderr.splitlines()
    assert lines[:2] == ["ours", "of a forked process"]
    assert lines[-1] == "SystemError: a fault"
    assert "library" not in done.stderr
    assert "TIFF" not in done.stderr


def test_crash_in_native_code_says_where() -> None:
    done = run("def decode():\n    os.abort()\n\ndecode()\n")
    assert done.returncode < 0
    assert "Fatal Python error: Aborted" in done.stderr
    assert "in decode" in done.stderr


def test_processes_that_are_started_get_the_real_stderr_where_it_is_lent() -> None:
    done = run("""
import subprocess
child = [sys.executable, "-c", "import sys; print(sys.argv[1], file=sys.stderr)"]
subprocess.run([*child, "not lent"])
with stderr.lent_to_children():
    subprocess.run([*child, "lent"])
subprocess.run([*child, "not lent again"])
""")
    assert done.stderr == "lent\n"


@pytest.mark.parametrize("where", ["2> >(exec 0<&-)", "2>/dev/full", "2>&-"])
def test_stderr_that_takes_nothing_ends_nothing(where: str) -> None:
    code = "for _ in range(20_000): print('x' * 50, file=sys.stderr)\nprint('done')"
    done = run_shell(f'{sys.executable} -c "{_TAKEN}{code}" {where}')
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_closed_streams_are_not_given_to_files() -> None:
    code = (
        "file = open('/dev/zero')\n"
        "print(file.fileno() > 2, os.path.samestat(os.fstat(2), os.stat(os.devnull)))"
    )
    done = run_shell(f'{sys.executable} -c "{_TAKEN}{code}" <&- 2>&-')
    assert done.stdout == "True True\n"
