"""Ablation of the augmentations: `python tests/benchmarks/ablation.py --results FILE.jsonl`.

Trains with all augmentations, with none, and without each one, over several seeds, on MNIST
alone, and scores the held-out images after the last epoch; the test images are not used. Finished
trainings are kept in the file of results and not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.architectures.registry import DEFAULT_ARCHITECTURE
from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.training.callbacks import CallbackList
from mnist_edge_trainer.training.checkpoint import RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.training_data import TrainingData

SAMPLES = Path(__file__).parents[2] / "samples"

VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "none": {"augment": False},
    "no rotation": {"rotation": 0.0},
    "no scale": {"scale": 0.0},
    "no shear": {"shear": 0.0},
    "no shift": {"shift": 0.0},
    "no elastic": {"elastic": 0.0},
}
"""Changes to the recipe. With an augmentation off, as many random numbers are drawn as with it."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, on the first `images` training images; None = all 55,000."""

    variant: str
    seed: int
    arch: str
    epochs: int
    images: int | None


@dataclasses.dataclass(frozen=True)
class Result:
    """Top-1 (fraction) and cross-entropy (nats) of the held-out images after the last epoch."""

    accuracy: float
    loss: float


Results = dict[Job, Result]


def run(job: Job) -> Result:
    """Trains to the last epoch and scores the averaged weights of that epoch, not of the best."""
    config = TrainConfig(
        arch=job.arch,
        epochs=job.epochs,
        patience=job.epochs,
        photos=0,
        seed=job.seed,
        **VARIANTS[job.variant],
    )
    training, validation = split_training(load_digits(SAMPLES, "train"), config.val_split)
    with tempfile.TemporaryDirectory() as folder:
        last = train(
            config,
            TrainingData(training[: job.images], validation),
            RunFolder(Path(folder)),
            device=torch.device("cpu"),
            callback=CallbackList([]),
        ).history[-1]
    return Result(last["val_accuracy"], last["val_loss"])


def read(path: Path) -> Results:
    """The results that are in the file."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Job(**row["job"]): Result(**row["result"]) for row in rows}


def write(path: Path, results: Results) -> None:
    """Writes the whole file again: it is small, and then never ends in half a line."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8") as file:
        for job, result in results.items():
            row = {"job": dataclasses.asdict(job), "result": dataclasses.asdict(result)}
            file.write(json.dumps(row) + "\n")


def run_all(jobs: Sequence[Job], path: Path, processes: int) -> Results:
    """Runs the jobs without a result, in parallel, with one thread each."""
    make_folder(path.parent)
    results = read(path)
    missing = [job for job in jobs if job not in results]
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        futures = {pool.submit(run, job): job for job in missing}
        for done, future in enumerate(as_completed(futures), start=1):
            job = futures[future]
            results[job] = future.result()
            write(path, results)
            accuracy = results[job].accuracy
            print(
                f"{done}/{len(missing)}  {job.variant}, seed {job.seed}: {accuracy:.2%}",
                file=sys.stderr,
            )
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and sample standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def print_markdown(jobs: Sequence[Job], results: Results) -> None:
    """Prints a row for each variant, over the seeds."""
    print("| augmentation | top-1, % | loss, nats |\n|---|---|---|")
    for variant in VARIANTS:
        scores = [results[job] for job in jobs if job.variant == variant]
        accuracy = spread([100 * score.accuracy for score in scores], 2)
        loss = spread([score.loss for score in scores], 4)
        print(f"| {variant} | {accuracy} | {loss} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, required=True, help="JSON Lines; new results are added"
    )
    parser.add_argument("--arch", default=DEFAULT_ARCHITECTURE)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 up")
    parser.add_argument("--images", type=int, help="train on fewer images, as a trial run")
    parser.add_argument("--jobs", type=int, default=2, help="trainings in parallel")
    options = parser.parse_args()
    jobs = [
        Job(variant, seed, options.arch, options.epochs, options.images)
        for seed in range(options.seeds)
        for variant in VARIANTS
    ]
    results = run_all(jobs, options.results, options.jobs)
    print(
        f"{options.arch}, {options.epochs} epochs, mean ± sample standard deviation over "
        f"{options.seeds} seeds, on the 5,000 held-out images\n"
    )
    print_markdown(jobs, results)


if __name__ == "__main__":
    main()
