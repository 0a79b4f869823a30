"""Functions and files that one picture passes through: `python tests/benchmarks/path.py PICTURE`.

The program runs in this process, under `sys.setprofile`. Counted are the functions of the package
that are called at least once, each with the file it stands in; bodies of modules and classes,
lambdas and comprehensions are not.
"""

from __future__ import annotations

import argparse
import inspect
import os
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType

import mnist_edge

PACKAGE = Path(mnist_edge.__file__).parent


def functions_called(arguments: list[str]) -> dict[str, list[str]]:
    """Functions of the package that ``mnist-edge ARGUMENTS`` calls, by file, in order of call."""
    called: dict[str, list[str]] = defaultdict(list)
    seen: set[object] = set()

    def on_event(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # A class body runs once too, without the locals that a function has.
        if event != "call" or code in seen or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        seen.add(code)
        file = Path(code.co_filename)
        if file.is_relative_to(PACKAGE) and not code.co_name.startswith("<"):
            called[str(file.relative_to(PACKAGE))].append(code.co_qualname)

    sys.argv = ["mnist-edge", *arguments]
    os._exit = sys.exit  # type: ignore[assignment]  # the report comes after the program's end
    sys.setprofile(on_event)
    try:
        runpy.run_module("mnist_edge", run_name="__main__")
    except SystemExit as end:
        if end.code:
            sys.exit(f"mnist-edge {' '.join(arguments)}: exit code {end.code}")
    finally:
        sys.setprofile(None)
    return called


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture")
    called = functions_called(["predict", parser.parse_args().picture])
    for file, names in called.items():
        print(f"{file}: {', '.join(names)}")
    print(f"{sum(map(len, called.values()))} functions in {len(called)} files")


if __name__ == "__main__":
    main()
