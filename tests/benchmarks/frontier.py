"""The released family against its goals and the field: `python tests/benchmarks/frontier.py`.

The released files predict the 10,000 test images and are timed beside the model zoo's mnist-12, in
interleaved rounds; the accuracies of other seeds are read from `models/seeds.json`. ``--train``
trains the networks that ``--names`` lists and updates their figures there. It exports each one
through the export gate, does not repeat finished runs, and trains the slow ones with seed 0 only.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from architectures import exported, trained

from mnist_edge.bench.report import PlotPoint, Report
from mnist_edge.bench.runner import measure
from mnist_edge.bench.scenarios import Plan, Scenario
from mnist_edge.bench.targets import TargetSpec
from mnist_edge.model import Model
from mnist_edge.outputs.terminal_table import print_table
from mnist_edge_trainer.evaluation.frontier import draw_frontier

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "models" / "seeds.json"
PUBLISHED = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Goal:
    """Goals of a released file.

    Attributes:
        model: its name among the bundled models.
        size_bytes: of the file, at most.
        accuracy: top-1 of int8 on the test images, mean over the seeds, at least.
        latency: of one picture over mnist-12's, at most.
    """

    model: str
    size_bytes: int
    accuracy: float
    latency: float


GOALS = {
    "pico": Goal("mnist-edge-pico-int8", 16 * 1024, 0.9940, 0.7),
    "nano": Goal("mnist-edge-nano-int8", 16 * 1024, 0.9950, 0.7),
    "small": Goal("mnist-edge-int8", 40 * 1024, 0.9965, 1.0),
}
TEACHER = "ensemble"
SLOW = ("large", TEACHER)
"""Trained with the first seed only: each takes some 45 minutes on two cores."""


def train_all(seeds: Mapping[str, Sequence[int]], runs: Path, jobs: int) -> None:
    """Trains recipes with their seeds, and writes their results into `SEEDS`."""
    with ThreadPoolExecutor(jobs) as pool:
        folders = {
            (name, seed): pool.submit(
                trained,
                runs / f"{name}-{seed}",
                ["--recipe", name, "--seed", str(seed)],
            )
            for name, numbers in seeds.items()
            for seed in numbers
        }
        done = {key: folder.result() for key, folder in folders.items()}
    results: dict[str, list[dict[str, Any]]] = {}
    for (name, seed), run in done.items():
        results.setdefault(name, []).append({"seed": seed, **result_of(run)})
    known = json.loads(SEEDS.read_text(encoding="utf-8")) if SEEDS.exists() else {}
    SEEDS.write_text(json.dumps(known | results, indent=2) + "\n", encoding="utf-8")


def result_of(run: Path) -> dict[str, Any]:
    """Results of a finished run and of the files exported from it."""
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    seconds = [float(row["seconds"]) for row in history]
    files = {precision: Model.load(path) for precision, path in exported(run).items()}
    return {
        "epoch": int(files["int8"].metadata["epoch"]),
        "epochs": len(history),
        # By the median epoch, so that a pause does not count.
        "minutes": round(statistics.median(seconds) * len(history) / 60, 1),
        **{
            f"{split}_accuracy_{precision}": float(model.metadata[f"{split}_accuracy"])
            for split in ("validation", "test")
            for precision, model in files.items()
        },
    }


def spread(values: Sequence[float]) -> str:
    """Mean, sample standard deviation and number of seeds, as text."""
    mean = f"{statistics.mean(values):.2%}"
    if len(values) == 1:
        return f"{mean} (1 seed)"
    return f"{mean} ± {statistics.stdev(values) * 100:.2f} ({len(values)} seeds)"


def rows_of(report: Report, seeds: dict[str, list[dict[str, Any]]]) -> Iterator[list[str]]:
    """A row for each released file: its figures and its goals."""
    indices = {target.name: index for index, target in enumerate(report.targets)}
    for name, goal in GOALS.items():
        index = indices[goal.model]
        target, relative = report.targets[index], report.relative(index)
        over_seeds = [run["test_accuracy_int8"] for run in seeds[name]]
        assert target.accuracy is not None
        assert relative is not None
        yield [
            name,
            *with_goal(
                f"{target.size_bytes:,}",
                target.size_bytes,
                f"{goal.size_bytes:,}",
                goal.size_bytes,
            ),
            f"{target.accuracy:.2%}",
            *with_goal(
                spread(over_seeds),
                -statistics.mean(over_seeds),
                f"{goal.accuracy:.2%}",
                -goal.accuracy,
            ),
            *with_goal(
                f"{relative.value:.2f} x", relative.value, f"{goal.latency:g} x", goal.latency
            ),
        ]


def with_goal(text: str, value: float, goal: str, limit: float) -> list[str]:
    """A figure and its goal, which is marked where it is missed; less is better."""
    return [text, goal if value <= limit + 1e-9 else f"{goal}, missed"]


def points_of(report: Report) -> list[PlotPoint]:
    """The measured models, and the published ones."""
    measured = [
        PlotPoint(
            name=Path(target.name).stem,
            accuracy=target.accuracy,
            latency_us=measurement.time.value,
            size_bytes=target.size_bytes,
            source="measured here",
        )
        for index, target in enumerate(report.targets)
        if target.accuracy is not None and (measurement := report.network_only(index)) is not None
    ]
    published = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["network"]
    return measured + [
        PlotPoint(
            name=network["name"],
            accuracy=network["accuracy"] / 100,
            latency_us=None,
            size_bytes=network["bytes"],
            source="as published",
        )
        for network in published
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mnist-12", type=Path, help="the model zoo's file; without it, times are over small's"
    )
    parser.add_argument(
        "--plot", type=Path, help="draw accuracy against size and latency; .svg or .png"
    )
    parser.add_argument("--train", action="store_true", help="train --names first: hours")
    parser.add_argument(
        "--names",
        nargs="+",
        choices=[*GOALS, *SLOW],
        default=[*GOALS],
        help=f"to train; {TEACHER} by itself, since the others learn from the released one",
    )
    parser.add_argument("--seeds", type=int, default=3, help="of nano and of small")
    parser.add_argument("--runs", type=Path, default=Path("runs/frontier"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args()
    if options.train:
        if TEACHER in options.names and len(options.names) > 1:
            parser.error(
                f"--names {TEACHER}: train it, and put it among the teachers, before the others"
            )
        seeds_of = {name: range(1 if name in SLOW else options.seeds) for name in options.names}
        train_all(seeds_of, options.runs, options.jobs)
    reference = str(options.mnist_12) if options.mnist_12 else GOALS["small"].model
    names = dict.fromkeys([reference, *(goal.model for goal in GOALS.values())])
    targets = tuple(TargetSpec(name) for name in names)
    report = measure(Plan(targets, scenarios=(Scenario.SINGLE_STREAM,)))
    seeds = json.loads(SEEDS.read_text(encoding="utf-8"))
    print_table(
        [
            "name",
            "bytes",
            "at most",
            "released, int8",
            "over seeds, int8",
            "at least",
            f"p50 over {Path(reference).stem}",
            "at most",
        ],
        rows_of(report, seeds),
    )
    if options.plot:
        draw_frontier(points_of(report), options.plot)


if __name__ == "__main__":
    main()
