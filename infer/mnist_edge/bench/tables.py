"""A report as tables for people: on the terminal, and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mnist_edge.bench.compare import Comparison
from mnist_edge.bench.report import Measurement, Report, SubjectReport
from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.stats import Interval

__all__ = ["Table", "comparison_table", "facts", "markdown", "tables"]

T = TypeVar("T")

_NONE = "-"


@dataclass(frozen=True)
class Table:
    """Rows under headers; the first columns, `words` of them, hold no figures."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    words: int = 1


Column = tuple[str, Callable[[int, SubjectReport], str]]


def tables(report: Report) -> list[Table]:
    """What was measured, a table for each question; without those that were not asked."""
    return [table for table in (_latency(report), _throughput(report), _start(report)) if table]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Beside a baseline: what there is a verdict on, and how sure it is."""
    return Table(
        "against the baseline (time now over time then, above 1 is slower)",
        ["model", "query", "raw", "change", "interval", "verdict"],
        [
            [
                f"{own.name} ({_setting(own.threads, own.provider)})"
                + (" (another file)" if own.other_file else ""),
                _query(own.scenario, own.pictures),
                f"{own.raw:.3f}",
                f"{own.change.value:.3f}",
                f"{own.change.low:.3f}..{own.change.high:.3f}",
                own.verdict,
            ]
            for own in comparisons
        ],
        words=2,
    )


def facts(report: Report) -> list[str]:
    """The machine, and what the instrument itself takes, a line each."""
    minimal, calibration = (report.references[name].time for name in ("minimal", "calibration"))
    lines = [f"{name}: {fact}" for name, fact in report.environment.items()]
    lines.append(
        f"the instrument: the clock takes {report.clock_ns:.0f} ns, onnxruntime and its binding "
        f"{minimal.value:.1f} µs of every call ({minimal.low:.1f}..{minimal.high:.1f}), the "
        f"calibration graph {calibration.value:.1f} µs "
        f"({calibration.low:.1f}..{calibration.high:.1f})"
    )
    counted = [*report.measurements, *report.references.values()]
    calls, strange = sum(own.calls for own in counted), sum(own.outliers for own in counted)
    lines.append(
        f"{calls:,} calls timed, {strange:,} of them ({strange / calls:.1%}) above Tukey's fence, "
        "none left out"
    )
    return lines


def markdown(report: Report, comparisons: Sequence[Comparison] | None) -> str:
    """All of it, to paste."""
    shown = tables(report)
    if comparisons is not None:
        shown.append(comparison_table(comparisons))
    blocks = [_as_markdown(table) for table in shown]
    details = [f"- {line}" for line in facts(report)]
    details += [f"- warning: {line}" for line in report.warnings]
    details += [f"- {line}" for line in report.notes]
    details.append(f"- mnist-edge {report.version}, {report.started}")
    return "\n\n".join([*blocks, "\n".join(details)])


def _as_markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"

    rule = ["---" if index < table.words else "---:" for index in range(len(table.headers))]
    return "\n".join(
        [f"**{table.title}**", "", line(table.headers), line(rule), *map(line, table.rows)]
    )


def _latency(report: Report) -> Table | None:
    """One picture: the model alone, and from its file to its answer."""

    def alone(index: int) -> Measurement | None:
        return report.of_pictures(index, 1)

    def end_to_end(index: int) -> Measurement | None:
        return report.find(index, Scenario.END_TO_END)

    indices = range(len(report.subjects))
    if not any(alone(index) or end_to_end(index) for index in indices):
        return None
    columns: list[Column] = [
        ("p50 µs", lambda index, _: _told(alone(index), lambda own: f"{own.time.value:.1f}")),
        ("95 % interval", lambda index, _: _told(alone(index), lambda own: _span(own.time, 1))),
        ("p90 µs", lambda index, _: _told(alone(index), lambda own: f"{own.p90 / 1e3:.1f}")),
        ("p99 µs", lambda index, _: _told(alone(index), lambda own: f"{own.p99 / 1e3:.1f}")),
        (
            "relative",
            lambda index, _: _told(report.relative(index), lambda own: f"{own.value:.2f} x"),
        ),
        (
            "95 % interval",
            lambda index, _: _told(report.relative(index), lambda own: _span(own, 2)),
        ),
    ]
    if any(end_to_end(index) for index in indices):
        columns.append(
            (
                "file to answer µs",
                lambda index, _: _told(end_to_end(index), lambda own: f"{own.time.value:.0f}"),
            )
        )
    if any(_millijoules(report, index) is not None for index in indices):
        columns.append(
            ("mJ", lambda index, _: _told(_millijoules(report, index), lambda mj: f"{mj:.3f}"))
        )
    return _table(report, "one picture (single-stream)", [*_who(report), *_file(), *columns])


def _throughput(report: Report) -> Table | None:
    """Several at a time."""
    sizes = sorted(
        {own.pictures for own in report.measurements if own.scenario != Scenario.END_TO_END}
    )
    multi = next(
        (own.pictures for own in report.measurements if own.scenario == Scenario.MULTI_STREAM), None
    )
    columns: list[Column] = []
    if multi is not None:
        columns += [
            (f"p50 µs of {multi}", _of(report, multi, lambda own: f"{own.time.value:.1f}")),
            (f"p99 µs of {multi}", _of(report, multi, lambda own: f"{own.p99 / 1e3:.1f}")),
        ]
    for size in sizes if sizes != [1] else []:
        columns.append(
            (f"images/s at {size}", _of(report, size, lambda own: f"{own.rate.value:,.0f}"))
        )
    if not columns:
        return None
    return _table(report, "several at a time (multi-stream, offline)", [*_who(report), *columns])


def _of(
    report: Report, pictures: int, tell: Callable[[Measurement], str]
) -> Callable[[int, SubjectReport], str]:
    return lambda index, _: _told(report.of_pictures(index, pictures), tell)


def _start(report: Report) -> Table | None:
    """Fresh processes."""
    if not any(subject.load_ms for subject in report.subjects):
        return None
    columns: list[Column] = [
        ("load ms", lambda _, own: _median(own.load_ms, 1)),
        ("first answer ms", lambda _, own: _median(own.first_ms, 2)),
        ("program ms", lambda _, own: _median(own.cold_ms, 0)),
        ("peak MiB", lambda _, own: _told(own.peak_mib, lambda mib: f"{mib:.1f}")),
        ("steady MiB", lambda _, own: _told(own.steady_mib, lambda mib: f"{mib:.1f}")),
        ("idle CPU ms/s", lambda _, own: _told(own.idle_cpu_ms, lambda ms: f"{ms:.1f}")),
    ]
    return _table(report, "a fresh process", [*_who(report), *columns])


def _who(report: Report) -> list[Column]:
    columns: list[Column] = [
        ("model", lambda _, own: own.name),
        ("threads", lambda _, own: str(own.threads)),
    ]
    if any(own.provider != "CPUExecutionProvider" for own in report.subjects):
        columns.append(("provider", lambda _, own: own.provider.removesuffix("ExecutionProvider")))
    return columns


def _file() -> Iterator[Column]:
    yield "size KiB", lambda _, own: f"{own.size_bytes / 1024:.1f}"
    yield "top-1", lambda _, own: _told(own.accuracy, lambda accuracy: f"{accuracy:.2%}")


def _table(report: Report, title: str, columns: Sequence[Column]) -> Table:
    return Table(
        title,
        [header for header, _ in columns],
        [
            [cell(index, subject) for _, cell in columns]
            for index, subject in enumerate(report.subjects)
        ],
    )


def _millijoules(report: Report, index: int) -> float | None:
    """Of one picture: by the meter outside, where somebody read one, else by the counters."""
    own = report.of_pictures(index, 1)
    if report.watts is not None and own is not None:
        return report.watts * own.time.value / 1e3
    return report.subjects[index].millijoules


def _told(value: T | None, tell: Callable[[T], str]) -> str:
    return _NONE if value is None else tell(value)


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f}" if values else _NONE


def _span(own: Interval, digits: int) -> str:
    return f"{own.low:.{digits}f}..{own.high:.{digits}f}"


def _setting(threads: int, provider: str) -> str:
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    is_usual = provider == "CPUExecutionProvider"
    return counted if is_usual else f"{counted}, {provider.removesuffix('ExecutionProvider')}"


def _query(scenario: str, pictures: int) -> str:
    return scenario if scenario in ("single-stream", "end-to-end") else f"{scenario}, {pictures}"
