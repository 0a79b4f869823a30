"""Scenarios in the terms of MLPerf Inference (Reddi et al. 2020), and the calls that they time.

- ``single-stream``: one picture at a time; the next query comes when the last is done.
- ``multi-stream``: queries of N pictures, one query at a time.
- ``offline``: all pictures are there, and are predicted in batches; pictures per second count.
- ``end-to-end``: one picture from its file to its prediction, preprocessing included; for models
  that `DigitClassifier` can load.
- ``start``: measured in new processes (see `mnist_edge.bench.cold_start`).

These are the terms, and not the rules: MLPerf's runs are much longer, with its own load generator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from mnist_edge.bench.targets import BenchTarget, TargetSpec
from mnist_edge.bench.timing import Call
from mnist_edge.classifier import DigitClassifier
from mnist_edge.mnist import Bytes, find_dataset, load_split

__all__ = [
    "Plan",
    "Scenario",
    "Workload",
    "example_images",
    "load_test_digits",
    "make_call",
    "workloads",
]

_EXAMPLES = 256


class Scenario(StrEnum):
    """What a query is; the value is its name on the command line and in the JSON."""

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    OFFLINE = "offline"
    END_TO_END = "end-to-end"
    START = "start"


@dataclass(frozen=True)
class Workload:
    """One target and one query, which are timed together in every round.

    Attributes:
        target: its index in the plan.
        scenario: any but ``start``.
        pictures: number of pictures in the query, which is what is timed.
    """

    target: int
    scenario: Scenario
    pictures: int


@dataclass(frozen=True)
class Plan:
    """What a run measures, and for how long.

    Attributes:
        targets: the models; the others are compared with the first.
        scenarios: which of them.
        streams: pictures of one query in ``multi-stream``.
        batch_sizes: for ``offline``.
        processes: number of worker processes, one after the other, that measure everything.
        rounds: in each process.
        slot_ms: length of a turn in a round, milliseconds: long beside a reading of the clock, and
            short beside disturbances, which are to affect the reference graph too.
        seed: of the order in the rounds.
        data: folder with MNIST's test files; None = ``samples``, if they are there.
        image: file for ``end-to-end`` and the start of the program; None = one of MNIST's, as PNG.
    """

    targets: tuple[TargetSpec, ...]
    scenarios: tuple[Scenario, ...] = tuple(Scenario)
    streams: int = 8
    batch_sizes: tuple[int, ...] = (1, 32, 256)
    processes: int = 5
    rounds: int = 30
    slot_ms: float = 2.0
    seed: int = 0
    data: Path | None = None
    image: Path | None = None

    @property
    def queries(self) -> list[tuple[Scenario, int]]:
        """Scenario and number of pictures; a number that two scenarios share is measured once."""
        sizes = {
            Scenario.SINGLE_STREAM: [1],
            Scenario.MULTI_STREAM: [self.streams],
            Scenario.OFFLINE: sorted(set(self.batch_sizes)),
        }
        seen: dict[int, Scenario] = {}
        for scenario, counts in sizes.items():
            if scenario in self.scenarios:
                for count in counts:
                    seen.setdefault(count, scenario)
        queries = [(scenario, count) for count, scenario in seen.items()]
        if Scenario.END_TO_END in self.scenarios:
            queries.append((Scenario.END_TO_END, 1))
        return queries


def workloads(plan: Plan, targets: Sequence[BenchTarget]) -> list[Workload]:
    """All queries of a plan that its targets can run."""
    return [
        Workload(index, scenario, pictures)
        for index, target in enumerate(targets)
        for scenario, pictures in plan.queries
        if pictures % (target.batch or 1) == 0
        and (scenario is not Scenario.END_TO_END or target.runs_in_classifier)
    ]


def make_call(target: BenchTarget, workload: Workload, images: Bytes, image: Path | None) -> Call:
    """The call that is timed: one query. Tensors are made before it, except in ``end-to-end``.

    A model of a fixed batch gets a larger query in several calls of its session.

    Args:
        target: what runs the query.
        workload: the query; its `target` is not used.
        images: uint8 ``[N, 28, 28]``, repeated where there are too few.
        image: file for ``end-to-end``; None = the first of `images`.
    """
    if workload.scenario is Scenario.END_TO_END:
        classifier = DigitClassifier(target.name, threads=target.threads, min_confidence=0)
        # The very session that is measured alone.
        classifier.model = dataclasses.replace(classifier.model, session=target.session)
        return partial(classifier.predict, images[0] if image is None else image)
    size = target.batch or workload.pictures
    batches = np.resize(images, (workload.pictures // size, size, 28, 28))
    feeds = [target.feed(batch) for batch in batches]
    if len(feeds) == 1:
        return partial(target.run, feeds[0])

    def run_all() -> None:
        for feed in feeds:
            target.run(feed)

    return run_all


def load_test_digits(directory: Path | None) -> tuple[Bytes, Bytes] | None:
    """MNIST's test images and labels.

    Args:
        directory: the folder of its files; None = ``samples``.

    Returns:
        None where no folder was named, and ``samples`` has no such files.

    Raises:
        DatasetError: they are damaged, or missing from the folder that was named.
    """
    if directory is None:
        directory = Path("samples")
        if not find_dataset(directory, "test"):
            return None
    return load_split(directory, "test")


def example_images(digits: tuple[Bytes, Bytes] | None) -> Bytes:
    """Pictures to time the networks with: test images, or without a dataset a drawn ring.

    A network takes as long for any picture; preprocessing must find a digit.

    Returns:
        uint8 ``[N, 28, 28]``.
    """
    if digits is not None:
        return digits[0][:_EXAMPLES]
    y, x = np.mgrid[:28, :28] - 13.5
    ring: Bytes = np.clip(255 * (2.5 - abs(np.hypot(x, y) - 7)), 0, 255).astype(np.uint8)
    return ring[np.newaxis]
