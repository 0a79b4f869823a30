"""Results of a run and their JSON form, which is the baseline of a later run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.sensors import Sensors
from mnist_edge.bench.stats import (
    Interval,
    Rounds,
    comparable_rounds,
    count_outliers,
    median_interval,
)
from mnist_edge.bench.timing import REFERENCE
from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write

__all__ = ["FORMAT", "Measurement", "PlotPoint", "Report", "TargetReport", "json_fields"]

T = TypeVar("T")

FORMAT = 1
"""Version of the JSON; a file of another one cannot be a baseline."""

_JSON_NAMES = {
    "target": "subject",
    "targets": "subjects",
    "processes": "sittings",
    "reference_sha256": "calibration",
}
"""Names of fields in the JSON, where they differ: those of format 1 do not change."""


@dataclass(frozen=True)
class Measurement:
    """The times of one query of one target.

    Attributes:
        target: its index in the report; None for a reference graph.
        scenario: what the query is for; a reference graph's name.
        pictures: number of pictures in the query.
        rounds: medians of rounds ``[processes, rounds]``, nanoseconds.
        p90: 90th percentile of all calls, nanoseconds.
        p99: 99th percentile of all calls, nanoseconds.
        calls: number of calls that were timed.
        outliers: number of calls above Tukey's fence; they are in all figures.
        settled: the warm-up ended with steady times, in all processes.
    """

    target: int | None
    scenario: str
    pictures: int
    rounds: Rounds
    p90: float
    p99: float
    calls: int
    outliers: int
    settled: bool

    @classmethod
    def from_times(
        cls,
        target: int | None,
        scenario: str,
        pictures: int,
        times: list[list[list[int]]],
        settled: bool = True,
    ) -> Measurement:
        """Summarizes the nanoseconds of every call, for each process, for each round."""
        every_call = np.array([call for rounds in times for calls in rounds for call in calls])
        medians = [[round(float(np.median(calls)), 1) for calls in rounds] for rounds in times]
        p90, p99 = (float(value) for value in np.percentile(every_call, [90, 99]))
        return cls(
            target=target,
            scenario=scenario,
            pictures=pictures,
            rounds=np.array(medians),
            p90=p90,
            p99=p99,
            calls=len(every_call),
            outliers=count_outliers(every_call),
            settled=settled,
        )

    @property
    def time(self) -> Interval:
        """Median time of the query, microseconds."""
        return median_interval(self.rounds).scaled(1e-3)

    @property
    def rate(self) -> Interval:
        """Pictures per second."""
        return median_interval(self.rounds).inverse(self.pictures * 1e9)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            **json_fields(self),
            "rounds": self.rounds.tolist(),
            "median_us": dataclasses.asdict(self.time),
            "pictures_per_second": dataclasses.asdict(self.rate),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Measurement:
        """Reads what `to_dict` made.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        rounds = np.array(content["rounds"], dtype=np.float64)
        if rounds.ndim != 2 or not rounds.size or not (rounds > 0).all():
            raise ValueError("rounds")
        return _from_fields(cls, {**content, "rounds": rounds})


@dataclass(frozen=True)
class TargetReport:
    """What a target is, and how it starts.

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
        load_ms: in each new process (see `mnist_edge.bench.cold_start.StartTimes`).
        first_ms: first call, in each new process.
        cold_ms: a whole `mnist-edge predict`, as often; empty if `DigitClassifier` cannot load it.
        peak_mib: median of the processes; None where the system does not report it.
        steady_mib: median of the processes; None where the system does not report it.
        idle_cpu_ms: processor time of an idle second, after a hundred calls; median of the
            processes; None where not measured.
        millijoules: energy of one picture, by the processor's counters; None where there are none.
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
        """Identifies a target across runs: name, threads, provider."""
        return self.name, self.threads, self.provider


@dataclass(frozen=True)
class PlotPoint:
    """One model in the accuracy-latency plot.

    Attributes:
        name: its label.
        accuracy: top-1, fraction.
        latency_us: of one picture, median, microseconds; None where it was not measured.
        size_bytes: of its file.
        source: origin of the figures, such as ``"measured"``; each has a marker and a colour.
    """

    name: str
    accuracy: float
    latency_us: float | None
    size_bytes: int
    source: str = ""


@dataclass(frozen=True)
class Report:
    """Results of a whole run.

    Attributes:
        version: of mnist-edge.
        started: date and time, ISO 8601, UTC.
        settings: the plan.
        environment: see `mnist_edge.bench.machine.device_facts`.
        before: the sensors at the start.
        after: the sensors at the end.
        warnings: what makes the figures doubtful, a line each.
        notes: what could not be measured, a line each.
        clock_ns: time of one reading of the clock.
        reference_sha256: of the reference graph, which relates two runs to one another.
        watts: power measured with a meter during the run; None without one.
        references: measurements of the reference graphs, by name.
        targets: the others are compared with the first.
        measurements: of all targets.
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
    reference_sha256: str
    watts: float | None
    references: dict[str, Measurement]
    targets: list[TargetReport]
    measurements: list[Measurement]

    def end_to_end(self, target: int) -> Measurement | None:
        """The measurement of a target from a file to its prediction."""
        for measurement in self.measurements:
            if (measurement.target, measurement.scenario) == (target, Scenario.END_TO_END):
                return measurement
        return None

    def network_only(self, target: int, pictures: int = 1) -> Measurement | None:
        """The measurement of a target's network with a number of pictures, in any scenario."""
        for measurement in self.measurements:
            is_network = measurement.scenario != Scenario.END_TO_END
            if is_network and (measurement.target, measurement.pictures) == (target, pictures):
                return measurement
        return None

    @property
    def comparable_rounds(self) -> npt.NDArray[np.bool_]:
        """Rounds ``[processes, rounds]`` to make ratios of (see `stats.comparable_rounds`)."""
        return comparable_rounds(self.references[REFERENCE].rounds)

    def relative(self, target: int) -> Interval | None:
        """Latency of one picture over the first target's, paired by rounds; above 1 is slower."""
        measurement, base = (self.network_only(index) for index in (target, 0))
        if measurement is None or base is None:
            return None
        return median_interval(self._ratios(measurement, base))

    def relative_to_reference(self, measurement: Measurement) -> Rounds:
        """Times over the reference graph's, round by round; NaN where a round is left out."""
        return self._ratios(measurement, self.references[REFERENCE])

    def _ratios(self, measurement: Measurement, base: Measurement) -> Rounds:
        return np.where(self.comparable_rounds, measurement.rounds / base.rounds, np.nan)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "format": FORMAT,
            **json_fields(self),
            "before": dataclasses.asdict(self.before),
            "after": dataclasses.asdict(self.after),
            "references": {name: graph.to_dict() for name, graph in self.references.items()},
            "subjects": [dataclasses.asdict(target) for target in self.targets],
            "measurements": [measurement.to_dict() for measurement in self.measurements],
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
        """Reads what `write` wrote, in this or an earlier version.

        Raises:
            UsageError: it cannot be read, or is something else.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UsageError(
                f"{path}: was not written by `mnist-edge bench --output` of a version that this "
                "one can read; measure it again"
            ) from error

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Reads what `to_dict` made.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, IndexError: it is something else.
        """
        if content["format"] != FORMAT:
            raise ValueError("format")
        return _from_fields(
            cls,
            {
                **content,
                "before": _sensors(content["before"]),
                "after": _sensors(content["after"]),
                "references": {
                    name: Measurement.from_dict(graph)
                    for name, graph in content["references"].items()
                },
                "subjects": [_from_fields(TargetReport, target) for target in content["subjects"]],
                "measurements": [Measurement.from_dict(item) for item in content["measurements"]],
            },
        )


def json_fields(record: Any) -> dict[str, Any]:
    """Fields of a dataclass under their names in the JSON."""
    return {
        _JSON_NAMES.get(field.name, field.name): getattr(record, field.name)
        for field in dataclasses.fields(record)
    }


def _sensors(content: Mapping[str, Any]) -> Sensors:
    stolen = content["stolen"]
    return _from_fields(Sensors, {**content, "stolen": None if stolen is None else tuple(stolen)})


def _from_fields(kind: type[T], content: Mapping[str, Any]) -> T:
    """Makes a dataclass from a mapping; unknown keys are ignored, since later versions add some."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: content[_JSON_NAMES.get(name, name)] for name in names})
