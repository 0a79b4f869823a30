"""The command `mnist-edge bench`: options -> plan -> report -> tables, files, exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mnist_edge.bench.compare import Comparison, Verdict, compare, libraries_changed
from mnist_edge.bench.machine import available_cores
from mnist_edge.bench.node_profile import print_profile, profile
from mnist_edge.bench.report import Report
from mnist_edge.bench.runner import measure, steps
from mnist_edge.bench.scenarios import Plan, Scenario, example_images, load_test_digits
from mnist_edge.bench.tables import comparison_table, facts, markdown, tables
from mnist_edge.bench.targets import Subject, check_provider
from mnist_edge.cli.console import ExitCode, log_error
from mnist_edge.errors import UsageError
from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.evaluation.frontier import Point, draw_frontier

__all__ = ["AUTO", "best_threads", "parse_scenarios", "parse_threads", "run", "run_profile", "show"]

AUTO = "auto"
_USUAL = "CPUExecutionProvider"
_MOST_THREADS = 256
_WORTH_A_THREAD = 1.05
"""Times as fast that more threads must be before they are worth their power."""


def run(
    plan: Plan,
    *,
    auto: bool = False,
    baseline: Path | None = None,
    margin: float,
    min_accuracy: float | None = None,
    watts: float | None = None,
    as_json: bool = False,
    as_markdown: bool = False,
    output: Path | None = None,
    picture: Path | None = None,
) -> int:
    """Measures, shows, judges.

    Args:
        plan: what is measured.
        auto: say which number of threads to use.
        baseline: JSON of an earlier run; None = none.
        margin: smallest change worth a verdict, as a fraction.
        min_accuracy: fraction; None = any.
        watts: of the whole device while it runs, read from a meter.
        as_json: the report as JSON on stdout.
        as_markdown: the tables as Markdown on stdout.
        output: a file for the JSON.
        picture: a file for the drawing of accuracy against latency and size; None = none.

    Returns:
        the exit code: 1 where something is slower than in the baseline, or a model's accuracy is
        below the least; else 0.

    Raises:
        MnistEdgeError: what was asked for cannot be done.
    """
    if as_json and as_markdown:
        raise UsageError("--json and --markdown: choose one; --output writes the JSON besides")
    for _, _, provider in plan.subjects:
        check_provider(provider)
    # What cannot be read, or written, is told before minutes have gone by.
    then = Report.read(baseline) if baseline else None
    if output is not None and output.is_dir():
        raise UsageError(f"--output {output}: is a folder; name a file in it")
    if min_accuracy is not None and load_test_digits(plan.data) is None:
        raise UsageError("--min-accuracy: needs MNIST's test images; name their folder by --data")
    with _progress(steps(plan)) as advance:
        report = measure(plan, watts=watts, advance=advance)
    failures = _inaccurate(report, min_accuracy)
    if output is not None:
        report.write(output)
    comparisons = compare(report, then, margin) if then else None
    show(report, comparisons, as_json=as_json, as_markdown=as_markdown)
    if then is not None:
        for line in libraries_changed(report, then):
            log_error(f"warning: {line}")
    if auto:
        for line in best_threads(report):
            log_error(line)
    if picture is not None:
        draw_frontier(_points(report), picture)
    for line in failures:
        log_error(line)
    is_slower = any(own.verdict is Verdict.SLOWER for own in comparisons or ())
    return ExitCode.SOME_FAILED if is_slower or failures else 0


def run_profile(plan: Plan) -> None:
    """Shows where the time of one picture goes, node by node, for every subject of a plan."""
    digits = load_test_digits(plan.data)
    for number, spec in enumerate(plan.subjects):
        subject = Subject.load(*spec, digits=digits)
        print(("\n" if number else "") + f"{subject.name}, threads: {subject.threads}")
        images = np.resize(example_images(digits), (subject.batch or 1, 28, 28))
        print_profile(profile(subject, images))


def parse_threads(values: Sequence[str]) -> tuple[list[int], bool]:
    """Numbers of threads, of options such as ``1``, ``1,2`` and ``auto``, and whether that was one.

    ``auto`` stands for 1, 2, 4, ... and all cores.

    Raises:
        UsageError: what is neither.
    """
    words = [word for value in values for word in value.replace(",", " ").split()]
    counts: set[int] = set()
    for word in words:
        if word == AUTO:
            cores = available_cores()
            counts |= {1 << power for power in range(cores.bit_length())} | {cores}
        elif word.isdecimal() and 1 <= int(word) <= _MOST_THREADS:
            counts.add(int(word))
        else:
            raise UsageError(f"--threads {word}: must be 1 to {_MOST_THREADS}, or {AUTO}")
    return sorted(counts) or [1], AUTO in words


def parse_scenarios(values: Sequence[str]) -> tuple[Scenario, ...]:
    """Scenarios by their names; all of them where none is named.

    Raises:
        UsageError: there is none of that name.
    """
    for value in values:
        if value not in list(Scenario):
            raise UsageError(f"--scenario {value}: is none of {', '.join(Scenario)}")
    return tuple(dict.fromkeys(map(Scenario, values))) or tuple(Scenario)


def best_threads(report: Report) -> list[str]:
    """The line to use, for each model: one picture at a time, and all at once."""
    largest = max((own.pictures for own in report.measurements), default=1)
    titles = {largest: f"{largest} pictures at a time"} | {1: "one picture at a time"}
    lines = []
    for name, provider in dict.fromkeys((own.name, own.provider) for own in report.subjects):
        for pictures, title in sorted(titles.items()):
            times = {
                subject.threads: own.time.value
                for index, subject in enumerate(report.subjects)
                if (subject.name, subject.provider) == (name, provider)
                and (own := report.of_pictures(index, pictures))
            }
            if times:
                fastest = min(times.values())
                best = min(t for t, time in times.items() if time <= fastest * _WORTH_A_THREAD)
                where = "" if provider == _USUAL else f" --providers {provider}"
                lines.append(f"best for {title}: --model {name} --threads {best}{where}")
    return lines


def show(
    report: Report,
    comparisons: Sequence[Comparison] | None,
    *,
    as_json: bool = False,
    as_markdown: bool = False,
) -> None:
    """The report on stdout; on stderr the machine, warnings and notes, if they are not in it."""
    if as_markdown:
        print(markdown(report, comparisons))
        return
    if as_json:
        stated = report.to_dict()
        if comparisons is not None:
            stated["comparison"] = [dataclasses.asdict(own) for own in comparisons]
        print(json.dumps(stated, indent=2))
    else:
        shown = [*tables(report), *([] if comparisons is None else [comparison_table(comparisons)])]
        for number, table in enumerate(shown):
            print(("\n" if number else "") + table.title)
            print_table(table.headers, table.rows, words=table.words)
        print("\n".join(facts(report)), file=sys.stderr)
    for line in report.warnings:
        log_error(f"warning: {line}")
    for line in report.notes:
        log_error(f"note: {line}")


def _points(report: Report) -> list[Point]:
    """Each model whose accuracy is known, with the threads that make it fastest."""
    fastest: dict[str, Point] = {}
    for index, subject in enumerate(report.subjects):
        own = report.of_pictures(index, 1)
        latency = None if own is None else own.time.value
        known = fastest.get(subject.name)
        is_faster = known is None or (latency or math.inf) < (known.latency_us or math.inf)
        if subject.accuracy is not None and is_faster:
            name = Path(subject.name).stem
            fastest[subject.name] = Point(
                name, subject.accuracy, latency, subject.size_bytes, "measured"
            )
    return list(fastest.values())


def _inaccurate(report: Report, least: float | None) -> list[str]:
    """A line for each model that is right too seldom, or nobody knows how often."""
    if least is None:
        return []
    lines = []
    for name, accuracy in {own.name: own.accuracy for own in report.subjects}.items():
        if accuracy is None:
            lines.append(f"{name}: its accuracy is not known, for its classes are not the digits")
        elif accuracy < least:
            lines.append(
                f"{name}: right on {accuracy:.2%} of the test images, {least:.2%} are asked for"
            )
    return lines


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("measuring"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task("measuring", total=total)
        yield lambda: progress.advance(bar)
