"""What a run came to, and its JSON form, which a later run is compared with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mnist_edge.bench.machine import Sensors
from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.stats import Interval, Rounds, comparable, interval, outliers
from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write

__all__ = ["FORMAT", "Measurement", "Report", "SubjectReport"]

T = TypeVar("T")

FORMAT = 1
"""Of the JSON; a file of another one cannot be a baseline."""


@dataclass(frozen=True)
class Measurement:
    """The times of one query of one subject.

    Attributes:
        subject: its number in the report; None for a reference.
        scenario: what the query is for; a reference's name.
        pictures: of the query.
        rounds: medians of rounds ``[sittings, rounds]``, nanoseconds.
        p90: of all calls, nanoseconds.
        p99: of all calls, nanoseconds.
        calls: that were timed.
        outliers: how many of them are above Tukey's fence; they are in all figures.
        settled: warming up ended with steady times, in all sittings.
    """

    subject: int | None
    scenario: str
    pictures: int
    rounds: Rounds
    p90: float
    p99: float
    calls: int
    outliers: int
    settled: bool

    @classmethod
    def of(
        cls,
        subject: int | None,
        scenario: str,
        pictures: int,
        times: list[list[list[int]]],
        settled: bool = True,
    ) -> Measurement:
        """Of the nanoseconds of every call, for each sitting, for each round."""
        every = np.array([call for sitting in times for own in sitting for call in own])
        medians = [[round(float(np.median(own)), 1) for own in sitting] for sitting in times]
        p90, p99 = (float(value) for value in np.percentile(every, [90, 99]))
        return cls(
            subject=subject,
            scenario=scenario,
            pictures=pictures,
            rounds=np.array(medians),
            p90=p90,
            p99=p99,
            calls=len(every),
            outliers=outliers(every),
            settled=settled,
        )

    @property
    def time(self) -> Interval:
        """The median query, microseconds."""
        return interval(self.rounds).scaled(1e-3)

    @property
    def rate(self) -> Interval:
        """Pictures a second."""
        return interval(self.rounds).inverse(self.pictures * 1e9)

    def to_dict(self) -> dict[str, Any]:
        return {
            **_fields(self),
            "rounds": self.rounds.tolist(),
            "median_us": dataclasses.asdict(self.time),
            "pictures_per_second": dataclasses.asdict(self.rate),
        }

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> Measurement:
        rounds = np.array(stated["rounds"], dtype=np.float64)
        if rounds.ndim != 2 or not rounds.size or not (rounds > 0).all():
            raise ValueError("rounds")
        return _read(cls, {**stated, "rounds": rounds})


@dataclass(frozen=True)
class SubjectReport:
    """What was measured, and how it starts.

    Attributes:
        name: of the model.
        threads: within one operator.
        provider: onnxruntime's execution provider.
        sha256: of the file.
        size_bytes: of the file.
        scaling: what a pixel is to it, in words.
        layout: of its input.
        batch: pictures of one call; None = any number.
        accuracy: top-1 on MNIST's test images, fraction; None where they are not at hand, or its
            classes are not the ten digits.
        load_ms: of every sitting's fresh process (see `mnist_edge.bench.cold_start.Start`).
        first_ms: the same, for the first call.
        cold_ms: whole `mnist-edge predict`, the same; empty for a model that is not ours.
        peak_mib: median of the processes; None where it is not told.
        steady_mib: median of the processes; None where it is not told.
        idle_cpu_ms: burned in an idle second, after a hundred calls; median of the processes; None
            where not measured.
        millijoules: of one picture, by the processor's counters; None where there are none.
    """

    name: str
    threads: int
    provider: str
    sha256: str
    size_bytes: int
    scaling: str
    layout: str
    batch: int | None
    accuracy: float | None
    load_ms: list[float]
    first_ms: list[float]
    cold_ms: list[float]
    peak_mib: float | None
    steady_mib: float | None
    idle_cpu_ms: float | None
    millijoules: float | None

    @property
    def key(self) -> tuple[str, int, str]:
        return self.name, self.threads, self.provider


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        version: of mnist-edge.
        started: date and time, ISO 8601, UTC.
        settings: the plan.
        environment: see `device_facts`.
        before: what the sensors said.
        after: what they said in the end.
        warnings: what makes the figures doubtful, a line each.
        notes: what the machine does not tell, a line each.
        clock_ns: that a reading of the clock takes.
        calibration: SHA-256 of the graph that runs are compared by.
        watts: read from a meter outside while it ran; None where nobody did.
        references: by name.
        subjects: the first is what the rest is compared with.
        measurements: of all of them.
    """

    version: str
    started: str
    settings: dict[str, Any]
    environment: dict[str, str]
    before: Sensors
    after: Sensors
    warnings: list[str]
    notes: list[str]
    clock_ns: float
    calibration: str
    watts: float | None
    references: dict[str, Measurement]
    subjects: list[SubjectReport]
    measurements: list[Measurement]

    def find(self, subject: int, scenario: Scenario, pictures: int = 1) -> Measurement | None:
        for found in self.measurements:
            if (found.subject, found.scenario, found.pictures) == (subject, scenario, pictures):
                return found
        return None

    def of_pictures(self, subject: int, pictures: int) -> Measurement | None:
        """The model alone on so many pictures, whatever scenario that was measured for."""
        for found in self.measurements:
            is_alone = found.scenario != Scenario.END_TO_END
            if is_alone and (found.subject, found.pictures) == (subject, pictures):
                return found
        return None

    @property
    def comparable(self) -> npt.NDArray[np.bool_]:
        """Rounds ``[sittings, rounds]`` that ratios are made of (see `intervals.comparable`)."""
        return comparable(self.references["calibration"].rounds)

    def relative(self, subject: int) -> Interval | None:
        """Times that the first subject's one picture takes, paired by rounds; above 1 is slower."""
        own, base = (self.of_pictures(index, 1) for index in (subject, 0))
        return None if own is None or base is None else interval(self._over(own, base))

    def calibrated(self, measurement: Measurement) -> Rounds:
        """Its times over the calibration graph's, round by round; NaN where that says nothing."""
        return self._over(measurement, self.references["calibration"])

    def _over(self, own: Measurement, base: Measurement) -> Rounds:
        return np.where(self.comparable, own.rounds / base.rounds, np.nan)

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            **_fields(self),
            "before": dataclasses.asdict(self.before),
            "after": dataclasses.asdict(self.after),
            "references": {name: found.to_dict() for name, found in self.references.items()},
            "subjects": [dataclasses.asdict(subject) for subject in self.subjects],
            "measurements": [found.to_dict() for found in self.measurements],
        }

    def write(self, path: Path) -> None:
        """Writes the JSON.

        Raises:
            OutputError: it cannot be written.
        """
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Report:
        """What `write` wrote.

        Raises:
            UsageError: it cannot be read, or is something else.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UsageError(
                f"{path}: is nothing that this version of `mnist-edge bench --output` wrote; "
                "measure it again"
            ) from error

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> Report:
        if stated["format"] != FORMAT:
            raise ValueError("format")
        return _read(
            cls,
            {
                **stated,
                "before": _sensors(stated["before"]),
                "after": _sensors(stated["after"]),
                "references": {
                    name: Measurement.from_dict(found)
                    for name, found in stated["references"].items()
                },
                "subjects": [_read(SubjectReport, subject) for subject in stated["subjects"]],
                "measurements": [Measurement.from_dict(found) for found in stated["measurements"]],
            },
        )


def _sensors(stated: Mapping[str, Any]) -> Sensors:
    stolen = stated["stolen"]
    return _read(Sensors, {**stated, "stolen": None if stolen is None else tuple(stolen)})


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _read(kind: type[T], stated: Mapping[str, Any]) -> T:
    """A dataclass of a mapping that may hold more: fields are only ever added."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: stated[name] for name in names})
