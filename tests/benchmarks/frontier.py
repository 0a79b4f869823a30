"""The released family against its goals and the field: `python tests/benchmarks/frontier.py`.

The released files answer the 10,000 test images and are timed beside the model zoo's mnist-12 in
one process; what other seeds gave is read from `models/seeds.json`. ``--train``
trains what ``--names`` says and brings its figures there up to date: through the export gate,
finished runs not again, the slow ones with seed 0 alone.
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

from mnist_edge.bench.report import Report
from mnist_edge.bench.runner import measure
from mnist_edge.bench.scenarios import Plan, Scenario
from mnist_edge.model import Model
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.evaluation.frontier import Point, draw_frontier

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "models" / "seeds.json"
PUBLISHED = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Goal:
    """What a released file is to be.

    Attributes:
        model: its name among the bundled models.
        bytes: of the file, at most.
        accuracy: top-1 of int8 on the test images, mean over the seeds, at least.
        latency: of one picture over mnist-12's, at most.
    """

    model: str
    bytes: int
    accuracy: float
    latency: float


GOALS = {
    "nano": Goal("mnist-edge-nano-int8", 16 * 1024, 0.9950, 0.7),
    "small": Goal("mnist-edge-int8", 40 * 1024, 0.9965, 1.0),
    "large": Goal("mnist-edge-large-int8", 2 * 1024 * 1024, 0.9980, 10.0),
}
TEACHER = "committee"
SLOW = ("large", TEACHER)
"""Trained with the first seed only: each takes some 45 minutes on two cores."""


def train_all(seeds: Mapping[str, Sequence[int]], runs: Path, jobs: int) -> None:
    """Recipes, each for its seeds; what they gave, into `SEEDS`, beside what is there of others."""
    with ThreadPoolExecutor(jobs) as pool:
        folders = {
            (name, seed): pool.submit(
                trained,
                runs / f"{name}-{seed}",
                ["--recipe", name, "--seed", str(seed)],
            )
            for name, own in seeds.items()
            for seed in own
        }
        done = {key: folder.result() for key, folder in folders.items()}
    results: dict[str, list[dict[str, Any]]] = {}
    for (name, seed), run in done.items():
        results.setdefault(name, []).append({"seed": seed, **result_of(run)})
    known = json.loads(SEEDS.read_text(encoding="utf-8")) if SEEDS.exists() else {}
    SEEDS.write_text(json.dumps(known | results, indent=2) + "\n", encoding="utf-8")


def result_of(run: Path) -> dict[str, Any]:
    """What a finished run and the files exported from it say."""
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    seconds = [float(row["seconds"]) for row in history]
    files = {precision: Model.load(path) for precision, path in exported(run).items()}
    return {
        "epoch": int(files["int8"].metadata["epoch"]),
        "epochs": len(history),
        # Of the median epoch: a pause is none of the recipe's time.
        "minutes": round(statistics.median(seconds) * len(history) / 60, 1),
        **{
            f"{split}_accuracy_{precision}": float(model.metadata[f"{split}_accuracy"])
            for split in ("validation", "test")
            for precision, model in files.items()
        },
    }


def spread(values: Sequence[float]) -> str:
    """Mean, sample standard deviation and number."""
    mean = f"{statistics.mean(values):.2%}"
    if len(values) == 1:
        return f"{mean} (1 seed)"
    return f"{mean} ± {statistics.stdev(values) * 100:.2f} ({len(values)} seeds)"


def rows_of(report: Report, seeds: dict[str, list[dict[str, Any]]]) -> Iterator[list[str]]:
    """A line for each released file: what it was to be, and what it is."""
    subjects = {subject.name: index for index, subject in enumerate(report.subjects)}
    for name, goal in GOALS.items():
        index = subjects[goal.model]
        subject, relative = report.subjects[index], report.relative(index)
        over_seeds = [run["test_accuracy_int8"] for run in seeds[name]]
        assert subject.accuracy is not None
        assert relative is not None
        yield [
            name,
            *judged(f"{subject.size_bytes:,}", subject.size_bytes, f"{goal.bytes:,}", goal.bytes),
            f"{subject.accuracy:.2%}",
            *judged(
                spread(over_seeds),
                -statistics.mean(over_seeds),
                f"{goal.accuracy:.2%}",
                -goal.accuracy,
            ),
            *judged(f"{relative.value:.2f} x", relative.value, f"{goal.latency:g} x", goal.latency),
        ]


def judged(text: str, value: float, goal: str, limit: float) -> list[str]:
    """A figure and its goal, marked where it is missed; less is better."""
    return [text, goal if value <= limit + 1e-9 else f"{goal}, missed"]


def points_of(report: Report) -> list[Point]:
    """What was measured now, and what others published."""
    measured = [
        Point(
            Path(subject.name).stem,
            subject.accuracy,
            own.time.value,
            subject.size_bytes,
            "measured here",
        )
        for index, subject in enumerate(report.subjects)
        if subject.accuracy is not None and (own := report.of_pictures(index, 1)) is not None
    ]
    published = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["network"]
    return measured + [
        Point(one["name"], one["accuracy"] / 100, None, one["bytes"], "as published")
        for one in published
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mnist-12", type=Path, help="the model zoo's file; without it, times are over small's"
    )
    parser.add_argument("--picture", type=Path, help="draw the frontier; .svg or .png")
    parser.add_argument("--train", action="store_true", help="train --names first: hours")
    parser.add_argument(
        "--names",
        nargs="+",
        choices=[TEACHER, *GOALS],
        default=[*GOALS],
        help=f"to train; {TEACHER} by itself, since the others learn from the one that is bundled",
    )
    parser.add_argument("--seeds", type=int, default=3, help="of nano and of small")
    parser.add_argument("--runs", type=Path, default=Path("runs/frontier"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args()
    if options.train:
        if TEACHER in options.names and len(options.names) > 1:
            parser.error(f"--names {TEACHER}: train and bundle it before the others")
        seeds_of = {name: range(1 if name in SLOW else options.seeds) for name in options.names}
        train_all(seeds_of, options.runs, options.jobs)
    reference = str(options.mnist_12) if options.mnist_12 else GOALS["small"].model
    names = dict.fromkeys([reference, *(goal.model for goal in GOALS.values())])
    subjects = tuple((name, 1, "CPUExecutionProvider") for name in names)
    report = measure(Plan(subjects, scenarios=(Scenario.SINGLE_STREAM,)))
    seeds = json.loads(SEEDS.read_text(encoding="utf-8"))
    print_table(
        [
            *("name", "bytes", "at most", "released, int8", "over seeds, int8", "at least"),
            *(f"p50 over {Path(reference).stem}", "at most"),
        ],
        rows_of(report, seeds),
    )
    if options.picture:
        draw_frontier(points_of(report), options.picture)


if __name__ == "__main__":
    main()
