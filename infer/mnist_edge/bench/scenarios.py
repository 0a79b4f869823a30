"""What is measured, in the terms of MLPerf Inference (Reddi et al. 2020), and how it is called.

- ``single-stream``: one picture at a time; the next is asked for when the last is answered.
- ``multi-stream``: queries of N pictures, one query at a time.
- ``offline``: all pictures are there; as many a call as the batch size says. What counts is how
  many a second.
- ``end-to-end``: one picture from its file to its answer, the image front end included; for models
  of ours.
- ``start``: what is measured in fresh processes (see `mnist_edge.bench.cold_start`).

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

from mnist_edge.bench.targets import Subject
from mnist_edge.bench.timing import Call
from mnist_edge.classifier import DigitClassifier
from mnist_edge.errors import ModelError
from mnist_edge.mnist import Bytes, find_dataset, load_split
from mnist_edge.model import Model

__all__ = [
    "Plan",
    "Scenario",
    "Workload",
    "example_images",
    "is_ours",
    "load_test_digits",
    "make_call",
    "workloads",
]


class Scenario(StrEnum):
    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    OFFLINE = "offline"
    END_TO_END = "end-to-end"
    START = "start"


@dataclass(frozen=True)
class Workload:
    """What has its turn in every round.

    Attributes:
        subject: its number in the plan.
        scenario: any but ``start``.
        pictures: of one query, which is what is timed.
    """

    subject: int
    scenario: Scenario
    pictures: int


@dataclass(frozen=True)
class Plan:
    """What a run measures, and how long.

    Attributes:
        subjects: name, threads and provider of each; the first is what the rest is compared with.
        scenarios: which of them.
        streams: pictures of one query in ``multi-stream``.
        batch_sizes: for ``offline``.
        sittings: processes, one after the other, that measure everything.
        rounds: in each sitting.
        slot_ms: what one query gets of a round, milliseconds: long beside the clock, and short
            beside what else happens, which is to fall on the calibration as well.
        seed: of the order in the rounds.
        data: folder with MNIST's test files; None = ``samples``, if they are there.
        image: file for ``end-to-end`` and the start of the program; None = one of MNIST's, as PNG.
    """

    subjects: tuple[tuple[str, int, str], ...]
    scenarios: tuple[Scenario, ...] = tuple(Scenario)
    streams: int = 8
    batch_sizes: tuple[int, ...] = (1, 32, 256)
    sittings: int = 5
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


def workloads(plan: Plan, subjects: Sequence[Subject]) -> list[Workload]:
    """All that the subjects of a plan can be asked for."""
    return [
        Workload(index, scenario, pictures)
        for index, subject in enumerate(subjects)
        for scenario, pictures in plan.queries
        if pictures % (subject.batch or 1) == 0
        and (scenario is not Scenario.END_TO_END or is_ours(subject))
    ]


def make_call(subject: Subject, workload: Workload, images: Bytes, image: Path | None) -> Call:
    """What is timed: one query. Making the tensors is no part of it, but in ``end-to-end``.

    A model of a fixed batch gets a larger query in as many calls as it takes.
    """
    if workload.scenario is Scenario.END_TO_END:
        classifier = DigitClassifier(subject.name, threads=subject.threads, min_confidence=0)
        # The very session that is measured alone.
        classifier.model = dataclasses.replace(classifier.model, session=subject.session)
        return partial(classifier.predict, images[0] if image is None else image)
    size = subject.batch or workload.pictures
    batches = np.resize(images, (workload.pictures // size, size, 28, 28))
    feeds = [subject.feed(batch) for batch in batches]
    if len(feeds) == 1:
        return partial(subject.run, feeds[0])

    def answer_all() -> None:
        for feed in feeds:
            subject.run(feed)

    return answer_all


def is_ours(subject: Subject) -> bool:
    """Whether `DigitClassifier` takes it."""
    try:
        Model.from_bytes(subject.content, subject.name)
    except ModelError:
        return False
    return True


def load_test_digits(directory: Path | None) -> tuple[Bytes, Bytes] | None:
    """MNIST's test images and labels from `directory`; None where it is None and there are none.

    Raises:
        DatasetError: they are damaged, or missing from a folder that was named.
    """
    if directory is None:
        directory = Path("samples")
        if not find_dataset(directory, "test"):
            return None
    return load_split(directory, "test")


def example_images(digits: tuple[Bytes, Bytes] | None) -> Bytes:
    """uint8 ``[N, 28, 28]``: real digits where there are any, else pictures of a ring.

    The networks' arithmetic takes as long on anything; the front end must find something.
    """
    if digits is not None:
        return digits[0][:256]
    y, x = np.mgrid[:28, :28] - 13.5
    ring: Bytes = np.clip(255 * (2.5 - abs(np.hypot(x, y) - 7)), 0, 255).astype(np.uint8)
    return ring[np.newaxis]
