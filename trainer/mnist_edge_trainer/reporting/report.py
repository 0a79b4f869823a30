"""``report.html``: everything a run's folder says, in one file that opens offline and prints.

The file holds its pictures and its style, needs no script and no network, and fits on two pages
of A4.
"""

from __future__ import annotations

import base64
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
from sklearn.metrics import precision_recall_fscore_support

from mnist_edge import __version__
from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.reporting.recommendations import Facts, advise
from mnist_edge_trainer.reporting.reference_results import PUBLIC_DATASETS, RESULTS
from mnist_edge_trainer.reporting.runs import (
    ClassScores,
    Evaluation,
    Run,
    read_evaluation,
    read_run,
    twins,
)

__all__ = ["write_report"]

_MOST_CLASSES = 12
"""More rows do not fit on the page."""

_MOST_ADVICE = 6
"""More would be no advice, and would leave no room for the pictures."""

_PICTURES = {
    "curves": "curves.png",
    "confusion": "confusion-test.png",
    "mistakes": "mistakes-test.png",
    "reliability": "reliability-test.png",
    "predictions": "predictions-test.png",
    "attention": "attention-test.png",
    "filters": "filters.png",
}


def write_report(folder: Path, path: Path, *, parameters: int | None) -> None:
    """Makes the report of a run that `mnist-edge evaluate` has scored.

    Args:
        folder: the run's.
        path: the file to write.
        parameters: trainable ones of the network; None = not known.

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
        raise UsageError(f"{folder}: no epoch is over yet; train it for at least one")
    test = read_evaluation(folder, "test")
    if test is None:
        command = f"mnist-edge evaluate {quote(str(folder))}"
        raise UsageError(f"{folder}: not evaluated yet; run `{command}` first")
    same_recipe = twins(run)
    chosen_by = read_evaluation(folder, "validation") or test
    facts = Facts(run, chosen_by, test, parameters, sorted({twin.seed for twin in same_recipe}))
    return _template().render(
        version=__version__,
        run=run,
        test=test,
        parameters=parameters,
        dataset=PUBLIC_DATASETS.get(test.dataset),
        recipe={name: _plain(value) for name, value in run.config.items() if value != ""},
        spread=_spread(same_recipe),
        classes=_class_rows(test),
        comparison=_comparison(run, test) if test.dataset == "mnist" else [],
        advice=advise(facts)[:_MOST_ADVICE],
        chosen_by=chosen_by.split,
        pictures={name: _data_uri(folder / file) for name, file in _PICTURES.items()},
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mnist_edge_trainer.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = "{:.2%}".format
    environment.filters["with_options"] = _with_options
    return environment.get_template("report.html.j2")


def _with_options(sentence: str) -> Markup:
    """The sentence as HTML, with the options of the command line that it names marked as such."""
    return Markup(re.sub(r"--[a-z][a-z-]*", r"<code>\g<0></code>", str(escape(sentence))))


def _plain(value: Any) -> str:
    """A value of the recipe, whatever it is, for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _spread(same_recipe: Sequence[Run]) -> str | None:
    """Mean and deviation of the test accuracy over the seeds that were evaluated, if several."""
    accuracies = {
        run.seed: test.accuracy
        for run in same_recipe
        if (test := read_evaluation(run.path, "test")) is not None
    }
    if len(accuracies) < 2:
        return None
    mean, deviation = (f(accuracies.values()) for f in (statistics.mean, statistics.stdev))
    seeds = ", ".join(map(str, sorted(accuracies)))
    return f"seeds {seeds}: {100 * mean:.2f} ± {100 * deviation:.2f}%"


@dataclass(frozen=True)
class _ClassRow:
    fp32: ClassScores
    int8: ClassScores | None


def _class_rows(evaluation: Evaluation) -> list[_ClassRow]:
    """A row for each class, or, of many, for those with the least F1."""
    labels = [scores.label for scores in evaluation.classes]
    int8: Sequence[ClassScores | None] = [None] * len(labels)
    if evaluation.int8 is not None:
        int8 = _scores_of(evaluation.int8.confusion, labels)
    rows = [_ClassRow(*pair) for pair in zip(evaluation.classes, int8, strict=True)]
    if len(rows) > _MOST_CLASSES:
        rows = sorted(rows, key=lambda row: row.fp32.f1)[:_MOST_CLASSES]
    return rows


def _scores_of(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> list[ClassScores]:
    """Precision, recall and F1 of a confusion matrix: each cell is a sample as heavy as it is."""
    true, predicted = np.indices((len(labels), len(labels)))
    scores = precision_recall_fscore_support(
        true.ravel(),
        predicted.ravel(),
        sample_weight=np.ravel(confusion),
        labels=range(len(labels)),
        zero_division=0,
    )
    return [
        ClassScores(label, float(p), float(r), float(f), int(n))
        for label, p, r, f, n in zip(labels, *scores, strict=True)
    ]


@dataclass(frozen=True)
class _Compared:
    """A row of the comparison: `own`, or published; `near`: chance alone could tell them apart."""

    what: str
    error: float
    source: str
    url: str | None
    own: bool
    near: bool


def _comparison(run: Run, test: Evaluation) -> list[_Compared]:
    low, high = test.accuracy_interval
    rows = [
        _Compared(p.what, p.error, p.source, p.url, False, low <= 1 - p.error <= high)
        for p in RESULTS
    ]
    rows.append(_Compared(f"{run.arch}, this run", 1 - test.accuracy, "", None, True, False))
    if test.int8 is not None:
        error = 1 - test.int8.accuracy
        rows.append(_Compared(f"{run.arch}, this run, int8", error, "", None, True, False))
    return sorted(rows, key=lambda row: -row.error)


def _data_uri(path: Path) -> str | None:
    """A PNG as a data: URI; None where there is no such picture."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not data.startswith(b"\x89PNG"):
        return None
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
