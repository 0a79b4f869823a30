"""The command `mnist-edge bench`: options -> plan -> report -> tables, files, exit code."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.bench.bench_options import BenchOptions
from mnist_edge.bench.compare import Comparison, Outcome, compare, libraries_changed
from mnist_edge.bench.node_profile import print_profile, profile
from mnist_edge.bench.report import PlotPoint, Report
from mnist_edge.bench.runner import measure, steps
from mnist_edge.bench.scenarios import Plan, Scenario, example_images, load_test_digits
from mnist_edge.bench.tables import facts, markdown, tables
from mnist_edge.bench.targets import BenchTarget, TargetSpec, check_provider
from mnist_edge.cli.console import log_error
from mnist_edge.cli.exit_codes import ExitCode
from mnist_edge.errors import MissingExtraError, UsageError, one_line
from mnist_edge.model import bundled_models
from mnist_edge.outputs.atomic import refuse_if_input
from mnist_edge.outputs.terminal_table import print_table
from mnist_edge.runtime import CPU_PROVIDER

__all__ = [
    "AUTO",
    "best_threads",
    "load_plot",
    "parse_scenarios",
    "parse_threads",
    "plan_of",
    "plot_points",
    "run",
    "show",
]

AUTO = "auto"
"""Value of --threads that tries several numbers."""

_BATCH_SIZES = (1, 32, 256)
_MOST_THREADS = 256
_WORTH_A_THREAD = 1.05
"""Times as fast that more threads must be before they are worth their power."""

Plot = Callable[[Sequence[PlotPoint], Path], None]


def run(options: BenchOptions) -> int:
    """Measures what the options name, shows it, and checks it.

    Returns:
        the exit code: 1 where something is slower than in the baseline, or a model's accuracy is
        below the least; else 0.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    plan = plan_of(options)
    if options.profile:
        _print_profiles(plan)
        return 0
    # What cannot be read or drawn is reported before minutes have gone by.
    _check(plan, options)
    _keep_inputs(options)
    baseline = Report.read(options.baseline) if options.baseline else None
    draw_plot = load_plot() if options.plot else None
    with _progress(steps(plan)) as advance:
        report = measure(plan, watts=options.watts, advance=advance)
    if options.output is not None:
        report.write(options.output)
    comparisons = compare(report, baseline, options.margin) if baseline else None
    show(report, comparisons, options)
    failures = _inaccurate(report, options.min_accuracy)
    changes = libraries_changed(report, baseline) if baseline else []
    advice = best_threads(report) if parse_threads(options.threads or ())[1] else []
    for line in [*(f"warning: {change}" for change in changes), *advice, *failures]:
        log_error(line)
    if draw_plot is not None and options.plot is not None:
        draw_plot(plot_points(report), options.plot)
    is_slower = any(result.outcome is Outcome.SLOWER for result in comparisons or ())
    return ExitCode.SOME_FAILED if is_slower or failures else 0


def _check(plan: Plan, options: BenchOptions) -> None:
    """Raises UsageError where a provider, or the dataset, is not there."""
    for target in plan.targets:
        check_provider(target.provider)
    if options.min_accuracy is not None and load_test_digits(plan.data) is None:
        raise UsageError("--min-accuracy: needs MNIST's test images; give their folder with --data")


def _keep_inputs(options: BenchOptions) -> None:
    """Raises UsageError where a file that is read would be written over."""
    models = [*(options.model or ()), *map(str, bundled_models().values())]
    read = [*models, options.baseline, options.image]
    inputs = [path for path in read if path is not None]
    for option, path in (("--output", options.output), ("--plot", options.plot)):
        if path is not None:
            refuse_if_input(path, inputs, option)


def plan_of(options: BenchOptions) -> Plan:
    """The plan that the options describe.

    Raises:
        UsageError: a number of threads or a scenario is none.
    """
    counts, _ = parse_threads(options.threads or ())
    return Plan(
        targets=tuple(
            TargetSpec(name, count, provider)
            for name in dict.fromkeys(options.model or bundled_models())
            for provider in dict.fromkeys(options.providers or (CPU_PROVIDER,))
            for count in counts
        ),
        scenarios=parse_scenarios(options.scenario or ()),
        streams=options.streams,
        batch_sizes=tuple(options.batch_size or _BATCH_SIZES),
        processes=options.processes,
        rounds=options.rounds,
        seed=options.seed,
        data=options.data,
        image=options.image,
    )


def parse_threads(values: Sequence[str]) -> tuple[list[int], bool]:
    """Numbers of threads from options such as ``1``, ``1,2`` and ``auto``.

    Returns:
        the numbers in order; ``auto`` stands for 1, 2, 4, ... and all cores. And whether one of
        the options was ``auto``.

    Raises:
        UsageError: a value is neither.
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
            raise UsageError(f"--scenario {value}: unknown; choose one of {', '.join(Scenario)}")
    return tuple(dict.fromkeys(map(Scenario, values))) or tuple(Scenario)


def best_threads(report: Report) -> list[str]:
    """Lines that say which --threads to use, for each model: one picture at a time, and many."""
    largest = max((measurement.pictures for measurement in report.measurements), default=1)
    titles = {largest: f"{largest} pictures at a time"} | {1: "one picture at a time"}
    lines = []
    for name, provider in dict.fromkeys((item.name, item.provider) for item in report.targets):
        for pictures, title in sorted(titles.items()):
            times = {
                target.threads: measurement.time.value
                for index, target in enumerate(report.targets)
                if (target.name, target.provider) == (name, provider)
                and (measurement := report.network_only(index, pictures))
            }
            if times:
                fastest = min(times.values())
                best = min(t for t, time in times.items() if time <= fastest * _WORTH_A_THREAD)
                where = "" if provider == CPU_PROVIDER else f" --providers {provider}"
                lines.append(f"best for {title}: --model {name} --threads {best}{where}")
    return lines


def show(report: Report, comparisons: Sequence[Comparison] | None, options: BenchOptions) -> None:
    """Prints the report on stdout; the machine, warnings and notes on stderr if not in it.

    Args:
        report: the run.
        comparisons: with a baseline; None = there is none.
        options: whether it is printed as JSON, as Markdown, or as tables.
    """
    if options.as_markdown:
        print(markdown(report, comparisons))
        return
    if options.as_json:
        content = report.to_dict()
        if comparisons is not None:
            content["comparison"] = [comparison.to_dict() for comparison in comparisons]
        print(json.dumps(content, indent=2))
    else:
        for number, table in enumerate(tables(report, comparisons)):
            print(("\n" if number else "") + table.title)
            print_table(table.headers, table.rows, words=table.words)
        print("\n".join(facts(report)), file=sys.stderr)
    for line in report.warnings:
        log_error(f"warning: {line}")
    for line in report.notes:
        log_error(f"note: {line}")


def load_plot() -> Plot:
    """The function that draws the accuracy-latency plot, from the package that brings it.

    Raises:
        MissingExtraError: no such package is installed, or something that it needs is not.
    """
    try:
        for entry_point in entry_points(group="mnist_edge.plots", name="frontier"):
            plot: Plot = entry_point.load()
            return plot
        missing = "the training part of this package"
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
    raise MissingExtraError(
        f"--plot: needs {missing}; install with: pip install 'mnist-edge[train]' "
        "(in a checkout: pip install '.[train]')"
    )


def plot_points(report: Report) -> list[PlotPoint]:
    """Each model of known accuracy, with the threads and the provider that make it fastest."""
    fastest: dict[str, PlotPoint] = {}
    for index, target in enumerate(report.targets):
        measurement = report.network_only(index)
        latency = None if measurement is None else measurement.time.value
        known = fastest.get(target.name)
        is_faster = known is None or (latency or math.inf) < (known.latency_us or math.inf)
        if target.accuracy is not None and is_faster:
            fastest[target.name] = PlotPoint(
                name=Path(target.name).stem,
                accuracy=target.accuracy,
                latency_us=latency,
                size_bytes=target.size_bytes,
                source="measured",
            )
    return list(fastest.values())


def _inaccurate(report: Report, least: float | None) -> list[str]:
    """A line for each model whose accuracy is too low, or not known."""
    if least is None:
        return []
    lines = []
    for name, accuracy in {target.name: target.accuracy for target in report.targets}.items():
        if accuracy is None:
            lines.append(f"{name}: its accuracy is not known, for its classes are not the digits")
        elif accuracy < least:
            lines.append(
                f"{name}: its accuracy on the test images is {accuracy:.2%}, below the minimum of "
                f"{least:.2%}"
            )
    return lines


def _print_profiles(plan: Plan) -> None:
    """Shows the time of each node, for one call of every target."""
    digits = load_test_digits(plan.data)
    for number, spec in enumerate(plan.targets):
        target = BenchTarget.load(*spec, digits=digits)
        print(("\n" if number else "") + f"{one_line(target.name)}, threads: {target.threads}")
        images = np.resize(example_images(digits), (target.batch or 1, 28, 28))
        print_profile(profile(target, images))


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
