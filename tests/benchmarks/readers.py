r"""Readers of numbers side by side, accuracy and time: `python tests/benchmarks/readers.py`.

A reader that is not installed is left out, and reported with the line that installs it. A separate
environment is best:

    python -m venv readers
    readers/bin/pip install -e '.[train,typefaces]' rapidocr==3.10.0
    sudo apt install tesseract-ocr
    readers/bin/python tests/benchmarks/readers.py --writers FOLDER

Every reader gets the same files: the test sets of `mnist-edge evaluate --numbers`, the pictures of
numbers in `samples/numbers`, and the pictures of single digits in `tests/data`, as numbers of one
digit. Compared are the digits, in the order in which they are read, and nothing else. Each has one
thread; a time is the median from a file's bytes to the digits, of Tesseract with the start of its
process. All take turns at each picture.
"""

from __future__ import annotations

import os

# Before anything reads it: one thread for all.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import csv
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from number_readers import READERS

from mnist_edge_trainer.numbers.evaluation import available_sets
from mnist_edge_trainer.numbers.scoring import (
    NumberScores,
    ReadFunction,
    digits_of,
    read_all,
    score,
)
from mnist_edge_trainer.numbers.test_sets.hands import load_hands
from mnist_edge_trainer.numbers.test_sets.records import NumberPicture
from mnist_edge_trainer.numbers.test_sets.sets import TEST_SETS, pictures

ROOT = Path(__file__).parents[2]


def sample_numbers() -> Iterator[NumberPicture]:
    """The pictures of numbers in samples/, with what is written in them."""
    folder = ROOT / "samples" / "numbers"
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            content = (folder / row["file"]).read_bytes()
            yield NumberPicture(content, digits_of(row["text"]), ())


def single_digits() -> Iterator[NumberPicture]:
    """The pictures of digits in tests/data, whose names begin with the digit."""
    folder = ROOT / "tests" / "data"
    for path in sorted(
        itertools.chain(*(folder.glob(f"{name}/*") for name in ("pictures", "scans")))
    ):
        yield NumberPicture(path.read_bytes(), path.name[0], ())


def no_numbers() -> Iterator[NumberPicture]:
    """The pictures in tests/data that show no letter, no symbol and no digit."""
    folder = ROOT / "tests" / "data" / "not-digits"
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("blank", "photo", "scribble", "texture")):
            yield NumberPicture(path.read_bytes(), "", ())


def compare(
    readers: dict[str, ReadFunction], numbers: Iterable[NumberPicture]
) -> dict[str, NumberScores]:
    """Has every reader read every picture, in turns."""
    results = [
        {name: read_all(read, [picture])[0] for name, read in readers.items()}
        for picture in numbers
    ]
    return {name: score([row[name] for row in results]) for name in readers}


def print_markdown(names: Sequence[str], rows: dict[str, dict[str, NumberScores]]) -> None:
    """Prints whole numbers right, and then milliseconds, a row for each set."""
    print("| whole numbers right | pictures | " + " | ".join(names) + " |")
    print("|---|--:|" + "--:|" * len(names))
    for description, scores in rows.items():
        cells = [
            "{:.1%} ({:.1%} to {:.1%})".format(value.accuracy, *value.correct_interval)
            for value in scores.values()
        ]
        count = next(iter(scores.values())).pictures
        print(f"| {description} | {count:,} | " + " | ".join(cells) + " |")
    print("\n| wrong with a confidence over 0.9 | " + " | ".join(names) + " |")
    print("|---|" + "--:|" * len(names))
    for description, scores in rows.items():
        shares = [f"{value.confidently_wrong:.1%}" for value in scores.values()]
        print(f"| {description} | " + " | ".join(shares) + " |")
    print("\n| milliseconds a picture | " + " | ".join(names) + " |")
    print("|---|" + "--:|" * len(names))
    for description, scores in rows.items():
        times = [f"{value.milliseconds:.2f}" for value in scores.values()]
        print(f"| {description} | " + " | ".join(times) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=200, help="pictures of each composed set")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--data", type=Path, default=ROOT / "samples", help="MNIST's folder")
    parser.add_argument("--writers", type=Path, help="QMNIST's file of the writers, or its folder")
    parser.add_argument("--only", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--model", help="our line reader's .onnx file, instead of the bundled one")
    parser.add_argument("--finder", help="our line finder's")
    options = parser.parse_args()
    readers = {}
    for name in options.only:
        if READERS[name].version():
            print(f"{name} {READERS[name].version()}", file=sys.stderr)
            ours = (options.model, options.finder) if name == "mnist-edge" else ()
            readers[name] = READERS[name].make(*ours)
        else:
            print(f"{name}: not installed: {READERS[name].install}", file=sys.stderr)
    hands = load_hands(
        options.split, options.data, options.writers, lambda line: print(line, file=sys.stderr)
    )
    sets = {
        TEST_SETS[name].description: pictures(name, hands, options.samples)
        for name in available_sets(lambda line: print(line, file=sys.stderr))
    }
    sets |= {
        "samples/numbers": sample_numbers(),
        "single digits of tests/data": single_digits(),
        "photographs, textures, scribbles of tests/data: no number": no_numbers(),
    }
    rows = {}
    for description, numbers in sets.items():
        print(f"{description} ...", file=sys.stderr)
        rows[description] = compare(readers, numbers)
        for name, scores in rows[description].items():
            print(f"  {name}: {scores.accuracy:.1%}, {scores.milliseconds:.2f} ms", file=sys.stderr)
    print_markdown(list(readers), rows)


if __name__ == "__main__":
    main()
