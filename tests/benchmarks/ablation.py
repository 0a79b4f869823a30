"""What each augmentation is worth: `python tests/benchmarks/ablation.py --results FILE.jsonl`.

Trains with all of them, with none, and with each turned off alone, over several seeds, on MNIST
alone, and scores the held-out images after the last epoch; the test images are not looked at. What
is finished is kept in the file of results and not trained again.
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
from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import StepReport, train

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
"""What each does to the recipe. As much randomness is drawn with a part turned off as without."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One training. `images` are trained on; None = all 55,000."""

    variant: str
    seed: int
    arch: str
    epochs: int
    images: int | None


@dataclasses.dataclass(frozen=True)
class Result:
    """On the held-out images after the last epoch: top-1 as a fraction, cross-entropy in nats."""

    accuracy: float
    loss: float


Results = dict[Job, Result]


class _Silent:
    def on_step(self, report: StepReport) -> None: ...
    def on_epoch(self, record: EpochRecord, is_best: bool) -> None: ...


def run(job: Job) -> Result:
    """Trains to the last epoch and scores the averaged weights of that one, not of the best."""
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
            training[: job.images],
            validation,
            RunFolder(Path(folder)),
            device=torch.device("cpu"),
            observer=_Silent(),
        ).history[-1]
    return Result(last["val_accuracy"], last["val_loss"])


def read(path: Path) -> Results:
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Job(**row["job"]): Result(**row["result"]) for row in rows}


def write(path: Path, results: Results) -> None:
    """The whole file anew: it is small, and never ends in half a line."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8") as file:
        for job, result in results.items():
            row = {"job": dataclasses.asdict(job), "result": dataclasses.asdict(result)}
            file.write(json.dumps(row) + "\n")


def run_all(jobs: Sequence[Job], path: Path, processes: int) -> Results:
    """Runs what has no result yet, side by side with one thread each."""
    make_folder(path.parent)
    results = read(path)
    left = [job for job in jobs if job not in results]
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        futures = {pool.submit(run, job): job for job in left}
        for done, future in enumerate(as_completed(futures), start=1):
            job = futures[future]
            results[job] = future.result()
            write(path, results)
            accuracy = results[job].accuracy
            print(
                f"{done}/{len(left)}  {job.variant}, seed {job.seed}: {accuracy:.2%}",
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
    print("| augmentation | top-1, % | loss, nats |\n|---|---|---|")
    for variant in VARIANTS:
        scores = [results[job] for job in jobs if job.variant == variant]
        accuracy = spread([100 * score.accuracy for score in scores], 2)
        loss = spread([score.loss for score in scores], 4)
        print(f"| {variant} | {accuracy} | {loss} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON Lines, kept and added to")
    parser.add_argument("--arch", default=DEFAULT_ARCHITECTURE)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, help="0 up to this many")
    parser.add_argument("--images", type=int, help="train on so many only, to see that it runs")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
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
