"""Reading numbers against predicting digits, in time: `python tests/benchmarks/reader_speed.py`.

- A line of five digits on a photograph of 12 megapixels, against `predict` of one digit on the same
  page.
- A clean strip of 140 x 28, against `predict` of one image of 28 x 28; both PNG files in memory.
- Strips per second from files, one thread.
- The line reader's network alone, on a line 32 x 208.

All in one process with one thread, all in turn in each round; the figures are medians, and their
ratios. Digits are those of one hand in MNIST's training set, the same for both sides.
"""

from __future__ import annotations

import os

# Before anything reads it: one thread for all.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_edge import DigitClassifier
from mnist_edge.mnist import load_split
from mnist_edge.numbers.line_model import LineModel
from mnist_edge.reader import NumberReader
from mnist_edge_trainer.numbers.test_sets.handwriting import row_of_marks
from mnist_edge_trainer.numbers.test_sets.photographs import blank_page, photograph
from mnist_edge_trainer.numbers.test_sets.records import Mark

ROOT = Path(__file__).parents[2]

_HAND = (209, 213, 217, 221, 225)
"""Places in the training set of a 0, 2, 4, 6 and 8 of one writer."""

_WIDTH = 208
"""Of the line that the network alone reads, pixels."""


def photo(count: int) -> bytes:
    """A JPEG of 4000 x 3000 pixels: a page with `count` digits, a tenth of its height."""
    rng = np.random.default_rng(12)
    page = blank_page((3000, 4000), rng)
    marks = row_of_marks(digits()[:count], [4.0] * (count - 1), 300 / 20, rng)
    for mark in marks:
        page.ink(Mark(mark.ink, mark.x + 1600, mark.y + 1800), (0.1, 0.12, 0.3))
    return photograph(page, "", rng).content


def digits() -> list[np.ndarray]:
    images = load_split(ROOT / "samples", "train")[0]
    return [images[place].astype(np.float32) / 255 for place in _HAND]


def png(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray((255 * levels).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def medians(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of each task; all have a turn in each round, after two to warm up."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for place in range(rounds + 2):
        for name, task in tasks.items():
            begun = time.perf_counter_ns()
            task()
            if place >= 2:
                times[name].append((time.perf_counter_ns() - begun) / 1e6)
    return {name: float(np.median(values)) for name, values in times.items()}


def strips_per_second(reader: NumberReader, count: int) -> float:
    """Strips of 140 x 28 read in a second, from PNG files in a folder."""
    content = png(np.hstack(digits()))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{place}.png" for place in range(count)]
        for path in paths:
            path.write_bytes(content)
        for _ in reader.stream(paths[:50]):
            pass
        begun = time.perf_counter()
        for _ in reader.stream(paths):
            pass
        return count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--strips", type=int, default=2000)
    parser.add_argument("--model", help="the line reader's .onnx file, instead of the bundled one")
    parser.add_argument("--finder", help="the line finder's")
    options = parser.parse_args()
    reader = NumberReader(options.model, options.finder)
    classifier = DigitClassifier(min_confidence=0)
    network = LineModel.load(options.model, 1)
    five, one = photo(5), photo(1)
    strip, image = png(np.hstack(digits())), png(digits()[0])
    line = np.zeros((32, _WIDTH), np.uint8)
    small = medians(
        {
            "strip": lambda: reader.read(strip),
            "image": lambda: classifier.predict(image),
            "network": lambda: network.run([line]),
        },
        50 * options.rounds,
    )
    large = medians(
        {"photo": lambda: reader.read(five), "digit": lambda: classifier.predict(one)},
        options.rounds,
    )
    rate = strips_per_second(reader, options.strips)
    print(
        f"read in the photograph: {reader.read(five).text}; in the strip: {reader.read(strip).text}"
    )
    print("| what | time | against | time | ratio |\n|---|--:|---|--:|--:|")
    print(
        f"| `read`, five digits, 12 megapixels | {large['photo']:.1f} ms | `predict`, one digit of "
        f"it | {large['digit']:.1f} ms | {large['photo'] / large['digit']:.2f} x |"
    )
    print(
        f"| `read`, strip of 140 x 28 | {1e3 * small['strip']:.0f} µs | `predict`, 28 x 28 "
        f"| {1e3 * small['image']:.0f} µs | {small['strip'] / small['image']:.2f} x |"
    )
    print(f"| strips from files | {rate:,.0f} per second | | | |")
    print(f"| the network alone, 32 x {_WIDTH} | {1e3 * small['network']:.0f} µs | | | |")


if __name__ == "__main__":
    main()
