"""Compares what two checkouts predict, byte for byte.

`python tests/benchmarks/same_output.py BEFORE AFTER`

Both run in this Python environment, over the samples, the test pictures, MNIST's test file, and
archives and arrays made of them, in all four formats, with one process and with several. Compared
are stdout, files written with --output, and exit codes. stderr is for people, and may be reworded.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

FORMATS = ("table", "json", "jsonl", "csv")
CODES = {"nothing to do": ["predict", "missing"], "no such option": ["predict", "--nonsense"]}


def run(checkout: Path, arguments: list[str], folder: Path) -> tuple[int, bytes]:
    """Exit code and stdout of the program as it stands in a checkout, run in `folder`."""
    paths = os.pathsep.join(str(checkout / package) for package in ("infer", "trainer"))
    done = subprocess.run(
        [sys.executable, "-m", "mnist_edge", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout


def inputs(checkout: Path, folder: Path) -> dict[str, list[str]]:
    """What to predict, by name, made in `folder`; paths are relative to it."""
    (folder / "samples").symlink_to(checkout / "samples")
    (folder / "data").symlink_to(checkout / "tests" / "data")
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (folder / "empty.jpg").touch()
    pictures = sorted((checkout / "samples").glob("*.png"))
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for picture in pictures:
            archive.write(picture, picture.name)
    rng = np.random.default_rng(0)
    np.save(folder / "noise.npy", rng.integers(0, 256, (20, 40, 40), np.uint8))
    (folder / "list.txt").write_text("\n".join(f"samples/{path.name}" for path in pictures))
    return {
        "samples": ["samples"],
        **{name: [f"data/{name}"] for name in ("pictures", "scans", "not-digits")},
        "MNIST's test file": ["samples/MNIST/raw/t10k-images-idx3-ubyte.gz"],
        "zip": ["pictures.zip"],
        "array": ["noise.npy"],
        "glob": ["samples/*.jpg"],
        "list": ["--files-from", "list.txt"],
        "damaged": ["damaged.png", "samples/7-pen.png", "empty.jpg", "missing.png"],
        "recursive": ["data", "--recursive"],
    }


def commands(checkout: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    for (name, paths), kind in itertools.product(inputs(checkout, folder).items(), FORMATS):
        for options in (["--workers", "1"], ["--workers", "3"], ["--top-k", "3"]):
            arguments = ["predict", *paths, "--format", kind, *options]
            yield f"{name}, {kind}, {' '.join(options)}", arguments
        yield (
            f"{name}, {kind}, --output",
            ["predict", *paths, "--format", kind, "--output", f"out.{kind}"],
        )
    for model in ("mnist-edge-nano-int8", "mnist-edge-fp32"):
        yield model, ["predict", "samples", "--format", "jsonl", "--model", model]
    yield "any confidence", ["predict", "data/not-digits", "--min-confidence", "0"]
    yield from CODES.items()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    before, after = options.before.resolve(), options.after.resolve()
    different = count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, arguments in commands(before, folder):
            outcomes = []
            for checkout in (before, after):
                code, text = run(checkout, arguments, folder)
                written = b""
                if "--output" in arguments and (output := folder / arguments[-1]).exists():
                    written = output.read_bytes()
                    output.unlink()
                outcomes.append((code, text, written))
            count += 1
            if outcomes[0] != outcomes[1]:
                different += 1
                print(f"different: {title} (exit codes {outcomes[0][0]}, {outcomes[1][0]})")
    print(f"{count} commands, {different} of them different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
