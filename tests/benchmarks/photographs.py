"""What a simulated photograph costs: `python tests/benchmarks/photographs.py`.

Prints the processor time of one, and the time that 12,500 of them take on all cores. With
``--before CHECKOUT``, another checkout of this repository takes turns with this one, and
photographs the same digits. Processor time hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from mnist_edge.batch.worker_pool import available_cores

ROOT = Path(__file__).parents[2]
MANY = 12_500

# What every version understands: the first lines name what is measured.
MEASURED = """
import sys, time
import numpy as np
from mnist_edge.mnist import load_split
from mnist_edge.inputs.decode import decode
from mnist_edge.preprocess.preprocessor import preprocess
from mnist_edge_trainer.synthetic import dataset
folder, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
images, labels = load_split(folder, "train")
stages = [0.0, 0.0]
for i in range(first - 3, first + count):
    started = time.process_time()
    rng = np.random.default_rng([3, i])
    picture, _ = dataset._mixed_photo(images[i], int(labels[i]), images[:50], rng)
    picture.load()
    rendered = time.process_time()
    preprocess([decode(picture)], [None])
    if i >= first:  # the first ones warm up
        stages[0] += rendered - started
        stages[1] += time.process_time() - rendered
print(*(1000 * seconds / count for seconds in stages))
"""


def measure(checkout: Path, first: int, count: int) -> tuple[float, float]:
    """Measures one photograph of a checkout: milliseconds of rendering, and of preprocessing."""
    paths = os.pathsep.join(str(checkout / part) for part in ("infer", "trainer"))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(ROOT / "samples"), str(first), str(count)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    rendering, preprocessing = map(float, done.stdout.split())
    return rendering, preprocessing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=200, help="photographs of each round")
    options = parser.parse_args()
    checkouts = {"now": ROOT} | ({"before": options.before} if options.before else {})
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
    for number in range(options.rounds):
        for name, checkout in checkouts.items():
            taken[name].append(measure(checkout, 10 + number * options.count, options.count))
    cores = available_cores()
    print(f"{'':<8} {'rendering':>10} {'front end':>10} {'both':>10}  {MANY:,} on {cores} cores")
    totals = {}
    for name, rounds in taken.items():
        rendering, preprocessing = (statistics.mean(stage) for stage in zip(*rounds, strict=True))
        totals[name] = rendering + preprocessing
        print(
            f"{name:<8} {rendering:7.2f} ms {preprocessing:7.2f} ms {totals[name]:7.2f} ms "
            f"{totals[name] * MANY / 1000 / cores:6.0f} s"
        )
    if "before" in totals:
        print(f"{totals['before'] / totals['now']:.2f} x as fast")


if __name__ == "__main__":
    main()
