"""Writes ``report.html``: the files of a run, in one page that opens offline and prints.

The page holds its pictures and its style, needs no script and no network, and fits on two pages
of A4.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from mnist_edge import __version__
from mnist_edge.errors import UsageError, one_line
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.evaluation.metrics import class_scores
from mnist_edge_trainer.evaluation.records import ClassScores, Evaluation
from mnist_edge_trainer.reporting.recommendations import Facts, recommend
from mnist_edge_trainer.reporting.reference_results import PUBLIC_DATASETS, REFERENCE_RESULTS
from mnist_edge_trainer.reporting.runs import Run, read_evaluation, read_run, runs_of_same_recipe

__all__ = ["write_report"]

_MAX_CLASSES = 12
"""Rows of the table of classes that fit on the page."""

_MAX_RECOMMENDATIONS = 6
"""More would leave no room for the pictures."""

_PICTURES = {
    "curves": ("curves.png",),
    "confusion": ("confusion-test.png",),
    "mistakes": ("mistakes-test.png",),
    "reliability": ("reliability-test.png",),
    "predictions": ("predictions-test.png",),
    "saliency": ("saliency-test.png", "attention-test.png"),
    "filters": ("filters.png",),
}
"""Files of each picture; the first that is there is shown. The last ones are of 0.7 and before."""


def write_report(folder: Path, path: Path, *, parameters: int | None) -> None:
    """Writes the report of a run that `mnist-edge evaluate` has evaluated.

    Args:
        folder: the run's folder.
        path: the file to write.
        parameters: number of trainable parameters of the network; None = unknown.

    Raises:
        UsageError: there is no such run, or it has no epoch or no evaluation yet.
        TrainingError: a file of the run is damaged.
        OutputError: `path` cannot be written.
    """
    page = _render(folder, parameters)
    make_folder(path.parent)
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _render(folder: Path, parameters: int | None) -> str:
    run = read_run(folder)
    if not run.history:
        raise UsageError(f"{folder}: no epoch is complete yet; train it for at least one")
    test = read_evaluation(folder, "test")
    if test is None:
        command = f"mnist-edge evaluate {quote(str(folder))}"
        raise UsageError(f"{folder}: not evaluated yet; run `{command}` first")
    same_recipe = runs_of_same_recipe(run)
    chosen_by = read_evaluation(folder, "validation") or test
    facts = Facts(run, chosen_by, test, parameters, sorted({other.seed for other in same_recipe}))
    return _template().render(
        version=__version__,
        run=run,
        test=test,
        parameters=parameters,
        dataset=PUBLIC_DATASETS.get(test.dataset),
        recipe={name: _format(value) for name, value in run.config.items() if value != ""},
        spread=_spread(same_recipe),
        classes=_class_rows(test),
        comparison=_comparison(run, test) if test.dataset == "mnist" else [],
        recommendations=recommend(facts)[:_MAX_RECOMMENDATIONS],
        chosen_by=chosen_by.split,
        pictures={name: _first_data_uri(folder, files) for name, files in _PICTURES.items()},
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mnist_edge_trainer.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = "{:.2%}".format
    environment.filters["mark_options"] = _mark_options
    return environment.get_template("report.html.j2")


def _visible(value: object) -> object:
    """Shows control characters of names, and marks of direction, instead of obeying them."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _mark_options(sentence: str) -> Markup:
    """Escapes a sentence for HTML, and marks its command line options as code."""
    return Markup(re.sub(r"--[a-z][a-z-]*", r"<code>\g<0></code>", str(escape(one_line(sentence)))))


def _format(value: Any) -> str:
    """Formats a value of the recipe, of any type that JSON has."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _spread(same_recipe: Sequence[Run]) -> str | None:
    """Formats mean and deviation of the test accuracy over all evaluated seeds, if several."""
    accuracies = {
        run.seed: test.accuracy
        for run in same_recipe
        if (test := read_evaluation(run.path, "test")) is not None
    }
    if len(accuracies) < 2:
        return None
    mean = statistics.mean(accuracies.values())
    deviation = statistics.stdev(accuracies.values())
    seeds = ", ".join(map(str, sorted(accuracies)))
    return f"seeds {seeds}: {100 * mean:.2f} ± {100 * deviation:.2f}%"


@dataclass(frozen=True)
class _ClassRow:
    """Scores of one class, by precision."""

    fp32: ClassScores
    int8: ClassScores | None


def _class_rows(evaluation: Evaluation) -> list[_ClassRow]:
    """Makes a row for each class; of many classes, for those with the lowest F1."""
    int8: Sequence[ClassScores | None] = [None] * len(evaluation.classes)
    if evaluation.int8 is not None:
        labels = evaluation.labels
        # The file has no scores of each class. A cell counts as many images as it says.
        true, predicted = np.indices((len(labels), len(labels)))
        counts = np.ravel(evaluation.int8.confusion)
        int8 = class_scores(true.ravel(), predicted.ravel(), labels, counts)
    rows = [_ClassRow(*pair) for pair in zip(evaluation.classes, int8, strict=True)]
    if len(rows) > _MAX_CLASSES:
        rows = sorted(rows, key=lambda row: row.fp32.f1)[:_MAX_CLASSES]
    return rows


@dataclass(frozen=True)
class _ComparisonRow:
    """A row of the comparison with published results.

    Attributes:
        classifier: what was evaluated.
        error: error rate, fraction.
        source, url: where the result was published; of this run, empty and None.
        is_this_run: whether it is of this run.
        is_close: whether a published result lies within the interval of this run.
    """

    classifier: str
    error: float
    source: str = ""
    url: str | None = None
    is_this_run: bool = False
    is_close: bool = False


def _comparison(run: Run, test: Evaluation) -> list[_ComparisonRow]:
    """Makes the rows of the comparison, from the highest error rate to the lowest."""
    low, high = test.accuracy_interval
    name = f"{run.arch}, this run"
    rows = [
        _ComparisonRow(
            result.classifier,
            result.error,
            result.source,
            result.url,
            is_close=low <= 1 - result.error <= high,
        )
        for result in REFERENCE_RESULTS
    ]
    rows.append(_ComparisonRow(name, 1 - test.accuracy, is_this_run=True))
    if test.int8 is not None:
        rows.append(_ComparisonRow(f"{name}, int8", 1 - test.int8.accuracy, is_this_run=True))
    return sorted(rows, key=lambda row: -row.error)


def _first_data_uri(folder: Path, files: Sequence[str]) -> str | None:
    """Encodes the first file that is a PNG as a data: URI; None where none is."""
    for file in files:
        try:
            data = (folder / file).read_bytes()
        except OSError:
            continue
        if data.startswith(b"\x89PNG"):
            return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return None
