"""What each micro-optimisation brings: `python tests/benchmarks/optimisations.py`.

Every optimisation is switched off in turn, in whole processes that take turns with unchanged ones.
Shown is the time without it against the time with it: the fastest runs of each, and the medians.
An optimisation stays when it brings 5 % or more of something that a user feels.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from mnist_edge.mnist import load_split

SAMPLES = Path(__file__).parents[2] / "samples"
RUN = "from mnist_edge.cli.main import main; main()"

SWITCHED_OFF = {
    "fast parser": "import mnist_edge.cli.main as m; m.parse_plain = lambda arguments: None",
    "prefetch": (
        "import mnist_edge.inputs.prefetch as p; p.start = lambda folders, recursive: False"
    ),
    "small PNG decoder": "import mnist_edge.inputs.png as p; p.small_png = lambda content: None",
    "Pillow's private decoder": (
        "import mnist_edge.inputs.png as p; p._decompress = p._decompress_publicly"
    ),
    "JSON by hand": """
import json
import mnist_edge.outputs.formats as f
f.probability_texts = lambda predictions: [None] * len(predictions)
f.json_row = lambda prediction, _, more: json.dumps({**prediction.to_dict(), **more})
""",
    "immediate exit": """
import os, sys
exit_at_once, process = os._exit, os.getpid()
os._exit = lambda code: sys.exit(code) if os.getpid() == process else exit_at_once(code)
""",
}
"""Python that runs before the program, by optimisation."""

JOBS = ("one 28 x 28 PNG", "one photograph", "10,000 PNG", "an array of 10,000")
CONCERNED = {
    "fast parser": JOBS,
    "prefetch": ("10,000 PNG",),
    "small PNG decoder": ("one 28 x 28 PNG", "10,000 PNG"),
    "Pillow's private decoder": ("one 28 x 28 PNG", "10,000 PNG"),
    "JSON by hand": ("an array of 10,000",),
    "immediate exit": JOBS,
}


def seconds(before: str, arguments: list[str]) -> float:
    """Of one run, from the start of the process to its end."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{RUN}", "predict", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr.decode())
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, _ = load_split(SAMPLES, "test")
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{number:05}.png")
        json_lines = ["--format", "jsonl", "--min-confidence", "0"]
        arguments = {
            "one 28 x 28 PNG": [str(folder / "00000.png")],
            "one photograph": [str(SAMPLES / "6-card.jpg")],
            "10,000 PNG": [str(folder), *json_lines],
            "an array of 10,000": [str(next(SAMPLES.rglob("t10k-images-*"))), *json_lines],
        }
        for job in JOBS:
            variants = {"": ""} | {
                optimisation: SWITCHED_OFF[optimisation]
                for optimisation, jobs in CONCERNED.items()
                if job in jobs
            }
            times: dict[str, list[float]] = {variant: [] for variant in variants}
            for _ in range(rounds):
                for variant, before in variants.items():
                    times[variant].append(seconds(before, arguments[job]))
            fastest, median = min(times[""]), statistics.median(times[""])
            print(f"{job}: fastest {1000 * fastest:.0f} ms, median {1000 * median:.0f} ms")
            for variant in list(variants)[1:]:
                gains = (
                    min(times[variant]) / fastest - 1,
                    statistics.median(times[variant]) / median - 1,
                )
                print(f"  without {variant:26} {gains[0]:+7.1%} {gains[1]:+7.1%}")


if __name__ == "__main__":
    main()
