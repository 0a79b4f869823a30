"""Training in two processes against one: `python tests/benchmarks/ranks.py`.

The same recipe and seeds; accuracy is of the validation images.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def train(ranks: int, seed: int, arch: str, epochs: int, output: Path) -> tuple[float, float]:
    """Best validation accuracy in percent, and seconds of an epoch (the median)."""
    launcher = [sys.executable]
    if ranks > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    options = ["--arch", arch, "--epochs", str(epochs), "--photos", "0", "--seed", str(seed)]
    subprocess.run(
        [*launcher, "-m", "mnist_edge", "train", *options, "--output", str(output)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with (output / "history.csv").open() as file:
        records = [*csv.DictReader(file)]
    best = min(records, key=lambda record: float(record["val_loss"]))
    seconds = statistics.median(float(record["seconds"]) for record in records)
    return 100 * float(best["val_accuracy"]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="nano")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    accuracies: dict[int, list[float]] = {1: [], 2: []}
    times: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for ranks in accuracies:
                output = Path(folder) / f"{ranks}-{seed}"
                accuracy, seconds = train(ranks, seed, options.arch, options.epochs, output)
                accuracies[ranks].append(accuracy)
                times[ranks].append(seconds)
                print(f"seed {seed}, {ranks} ranks: {accuracy:.2f} %, {seconds:.1f} s", flush=True)
    for ranks, values in accuracies.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(
            f"{ranks} ranks: {statistics.mean(values):.2f} ± {spread:.2f} %, "
            f"{statistics.median(times[ranks]):.1f} s an epoch"
        )


if __name__ == "__main__":
    main()
