"""A report as tables: on the terminal, and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mnist_edge.bench.compare import Comparison
from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.stats import Interval
from mnist_edge.bench.timing import MINIMAL, REFERENCE
from mnist_edge.errors import one_line
from mnist_edge.runtime import CPU_PROVIDER

__all__ = ["Table", "comparison_table", "facts", "markdown", "tables"]

_NONE = "-"
_PROVIDER_SUFFIX = "ExecutionProvider"

Cells = list[tuple[str, str]]
"""A row of a table: the column's title and the cell's text, column by column."""


@dataclass(frozen=True)
class Table:
    """Rows of text under headers.

    Attributes:
        title: what stands above it.
        headers: of the columns.
        rows: as long as `headers`, each.
        words: number of columns at the left that hold words; the others hold figures.
    """

    title: str
    headers: list[str]
    rows: list[list[str]]
    words: int = 1


def tables(report: Report, comparisons: Sequence[Comparison] | None = None) -> list[Table]:
    """The tables of a report: latency, throughput, start, comparison; only those measured.

    Args:
        report: the run.
        comparisons: with a baseline; None = there is none.
    """
    candidates = [_latency_table(report), _batch_table(report), _start_table(report)]
    if comparisons is not None:
        candidates.append(comparison_table(comparisons))
    return [table for table in candidates if table is not None]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """The comparison with a baseline, a row for each query of each target."""
    return Table(
        "against the baseline (time now over time then, above 1 is slower)",
        ["model", "query", "raw", "change", "interval", "result"],
        [
            [
                f"{comparison.name} ({_setting(comparison.threads, comparison.provider)})"
                + (" (another file)" if comparison.other_file else ""),
                _query(comparison.scenario, comparison.pictures),
                f"{comparison.raw:.3f}",
                f"{comparison.change.value:.3f}",
                _span(comparison.change, 3),
                comparison.outcome,
            ]
            for comparison in comparisons
        ],
        words=2,
    )


def facts(report: Report) -> list[str]:
    """The machine, and what the measuring itself takes, a line each."""
    minimal, reference = (report.references[name].time for name in (MINIMAL, REFERENCE))
    lines = [one_line(f"{name}: {fact}") for name, fact in report.environment.items()]
    lines.append(
        f"overhead: the clock takes {report.clock_ns:.0f} ns, onnxruntime and its binding "
        f"{minimal.value:.1f} µs of every call ({_span(minimal, 1)}); the reference graph takes "
        f"{reference.value:.1f} µs ({_span(reference, 1)})"
    )
    measurements = [*report.measurements, *report.references.values()]
    calls = sum(measurement.calls for measurement in measurements)
    outliers = sum(measurement.outliers for measurement in measurements)
    lines.append(
        f"{calls:,} calls timed, {outliers:,} of them ({outliers / calls:.1%}) above Tukey's "
        "fence, none left out"
    )
    return lines


def markdown(report: Report, comparisons: Sequence[Comparison] | None) -> str:
    """All tables, facts, warnings and notes as Markdown.

    Args:
        report: the run.
        comparisons: with a baseline; None = there is none.
    """
    blocks = [_as_markdown(table) for table in tables(report, comparisons)]
    details = [f"- {line}" for line in facts(report)]
    details += [f"- warning: {one_line(line)}" for line in report.warnings]
    details += [f"- {one_line(line)}" for line in report.notes]
    details.append(f"- mnist-edge {report.version}, {report.started}")
    return "\n\n".join([*blocks, "\n".join(details)])


def _as_markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(one_line(cell).replace('|', '&#124;') for cell in cells)} |"

    rule = ["---" if index < table.words else "---:" for index in range(len(table.headers))]
    return "\n".join(
        [f"**{table.title}**", "", line(table.headers), line(rule), *map(line, table.rows)]
    )


def _latency_table(report: Report) -> Table | None:
    """One picture: the network alone, and from a file to its prediction."""
    indices = range(len(report.targets))
    if not any(report.network_only(index) or report.end_to_end(index) for index in indices):
        return None
    rows = [[*_target_cells(report, index), *_latency_cells(report, index)] for index in indices]
    return _table("one picture (single-stream)", rows, optional=["file to result µs", "mJ"])


def _latency_cells(report: Report, index: int) -> Cells:
    target, measurement = report.targets[index], report.network_only(index)
    time, relative = _time(measurement), report.relative(index)
    return [
        ("size KiB", f"{target.size_bytes / 1024:.1f}"),
        ("top-1", _NONE if target.accuracy is None else f"{target.accuracy:.2%}"),
        ("p50 µs", _value(time, 1)),
        ("95 % interval", _span(time, 1)),
        ("p90 µs", _NONE if measurement is None else f"{measurement.p90 / 1e3:.1f}"),
        ("p99 µs", _p99(measurement)),
        ("relative", _NONE if relative is None else f"{relative.value:.2f} x"),
        ("95 % interval", _span(relative, 2)),
        ("file to result µs", _value(_time(report.end_to_end(index)), 0)),
        ("mJ", _number(_millijoules(report, index, time), 3)),
    ]


def _batch_table(report: Report) -> Table | None:
    """Several pictures in a query."""
    scenarios = {
        measurement.pictures: measurement.scenario
        for measurement in report.measurements
        if measurement.scenario != Scenario.END_TO_END
    }
    sizes = sorted(scenarios)
    streams = next((size for size in sizes if scenarios[size] == Scenario.MULTI_STREAM), None)
    if streams is None and sizes in ([], [1]):
        return None
    rows = [
        [
            *_target_cells(report, index),
            *_stream_cells(report, index, streams),
            *_rate_cells(report, index, sizes if sizes != [1] else []),
        ]
        for index in range(len(report.targets))
    ]
    return _table("several at a time (multi-stream, offline)", rows)


def _stream_cells(report: Report, index: int, streams: int | None) -> Cells:
    if streams is None:
        return []
    measurement = report.network_only(index, streams)
    return [
        (f"p50 µs of {streams}", _value(_time(measurement), 1)),
        (f"p99 µs of {streams}", _p99(measurement)),
    ]


def _rate_cells(report: Report, index: int, sizes: Sequence[int]) -> Cells:
    cells = []
    for size in sizes:
        measurement = report.network_only(index, size)
        rate = _NONE if measurement is None else f"{measurement.rate.value:,.0f}"
        cells.append((f"images/s at {size}", rate))
    return cells


def _start_table(report: Report) -> Table | None:
    """New processes."""
    if not any(target.load_ms for target in report.targets):
        return None
    rows = [
        [
            *_target_cells(report, index),
            ("load ms", _median(target.load_ms, 1)),
            ("first result ms", _median(target.first_ms, 2)),
            ("program ms", _median(target.cold_ms, 0)),
            ("peak MiB", _number(target.peak_mib, 1)),
            ("steady MiB", _number(target.steady_mib, 1)),
            ("idle CPU ms/s", _number(target.idle_cpu_ms, 1)),
        ]
        for index, target in enumerate(report.targets)
    ]
    return _table("a fresh process", rows)


def _target_cells(report: Report, index: int) -> Cells:
    target = report.targets[index]
    cells = [("model", target.name), ("threads", str(target.threads))]
    if any(other.provider != CPU_PROVIDER for other in report.targets):
        cells.append(("provider", target.provider.removesuffix(_PROVIDER_SUFFIX)))
    return cells


def _table(title: str, rows: Sequence[Cells], optional: Sequence[str] = ()) -> Table:
    """A table of rows with the same columns; optional ones are left out where they are empty."""
    columns = [
        column
        for column, (header, _) in enumerate(rows[0])
        if header not in optional or any(row[column][1] != _NONE for row in rows)
    ]
    return Table(
        title,
        [rows[0][column][0] for column in columns],
        [[row[column][1] for column in columns] for row in rows],
    )


def _millijoules(report: Report, index: int, time: Interval | None) -> float | None:
    """Energy of one picture: by the meter, where there was one, else by the counters."""
    if report.watts is not None and time is not None:
        return report.watts * time.value / 1e3
    return report.targets[index].millijoules


def _time(measurement: Measurement | None) -> Interval | None:
    return None if measurement is None else measurement.time


def _p99(measurement: Measurement | None) -> str:
    return _NONE if measurement is None else f"{measurement.p99 / 1e3:.1f}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _median(values: Sequence[float], digits: int) -> str:
    return _number(statistics.median(values) if values else None, digits)


def _value(interval: Interval | None, digits: int) -> str:
    return _number(None if interval is None else interval.value, digits)


def _span(interval: Interval | None, digits: int) -> str:
    return _NONE if interval is None else f"{interval.low:.{digits}f}..{interval.high:.{digits}f}"


def _setting(threads: int, provider: str) -> str:
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    if provider == CPU_PROVIDER:
        return counted
    return f"{counted}, {provider.removesuffix(_PROVIDER_SUFFIX)}"


def _query(scenario: str, pictures: int) -> str:
    if scenario in (Scenario.SINGLE_STREAM, Scenario.END_TO_END):
        return scenario
    return f"{scenario}, {pictures}"
