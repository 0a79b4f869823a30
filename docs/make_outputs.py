"""Renews the outputs of commands in README.md and docs/: `python docs/make_outputs.py`.

A block is renewed if it follows the line ``<!-- output of the command -->``. It begins with one
command, ``$ mnist-edge ...``, which is run in the root of the checkout; what it prints to stdout
becomes the rest of the block. `tests/integration/test_readme.py` checks that the blocks are
current.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_BLOCK = re.compile(
    r"(?P<before><!-- output of the command -->\n```console\n\$ mnist-edge (?P<command>[^\n]*)\n)"
    r"(?P<output>.*?)(?=^```$)",
    re.MULTILINE | re.DOTALL,
)


def documents() -> list[Path]:
    """The pages that may show outputs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown_outputs(text: str) -> Iterator[tuple[str, str]]:
    """Commands, without ``mnist-edge``, and the outputs that a page shows of them."""
    for block in _BLOCK.finditer(text):
        yield block["command"], block["output"]


def output_of(command: str) -> str:
    """What the program prints to stdout; lines do not end in spaces."""
    done = subprocess.run(
        [sys.executable, "-m", "mnist_edge", *shlex.split(command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def renewed(text: str) -> str:
    """A page with the outputs that its commands have now."""
    return _BLOCK.sub(lambda block: block["before"] + output_of(block["command"]), text)


def main() -> None:
    """Renews every page that has changed."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if (new := renewed(text)) != text:
            path.write_text(new, encoding="utf-8")
            print(f"renewed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
