"""Any value in any place of a run's text files: an error of ours, or a report that shows it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.errors import MnistEdgeError, TrainingError
from mnist_edge_trainer.cli.runs import RunsOptions, runs
from mnist_edge_trainer.reporting.report import write_report
from mnist_edge_trainer.reporting.runs import read_evaluation, read_run
from tests.hostile import DELETED, ESCAPES, places, with_value, wrong_values
from tests.unit.trainer.reporting.conftest import CONFIG, HISTORY, make_run

STEERING = "".join(chr(code) for code in (*range(32), *range(127, 160), 0x202E) if code != 10)
"""Characters that steer a terminal."""


@pytest.fixture
def short(evaluation: dict[str, Any]) -> dict[str, Any]:
    """An evaluation with few mistakes, which makes fewer places."""
    return evaluation | {"mistakes": evaluation["mistakes"][:2]}


def show(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shows a run in every way, where it can be; nothing that is shown may steer a terminal."""
    ways: list[Callable[[], None]] = [
        lambda: runs(RunsOptions([str(run)])),
        lambda: runs(RunsOptions([str(run)] * 2)),
        lambda: runs(RunsOptions([str(run)], as_json=True)),
        lambda: write_report(run, run / "report.html", parameters=1000),
    ]
    for read in ways:
        with contextlib.suppress(MnistEdgeError):
            read()
    shown = capsys.readouterr()
    page = (run / "report.html").read_text("utf-8") if (run / "report.html").exists() else ""
    for text in (shown.out, shown.err, page):
        assert not set(STEERING) & set(text)
    assert "<b>|" not in page


@pytest.mark.parametrize("value", wrong_values(ESCAPES, DELETED, None, float("inf")))
def test_any_value_in_a_config(
    tmp_path: Path, short: dict[str, Any], value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "runs" / "first", short)
    for place in [*places(CONFIG), ("class_weights",), ("splits",), ("other",)]:
        if value is DELETED and place[0] not in CONFIG:
            continue
        (run / "config.json").write_text(json.dumps(with_value(CONFIG, place, value)))
        show(run, capsys)


@pytest.mark.parametrize("value", wrong_values(ESCAPES, DELETED, None, float("inf")))
def test_any_value_in_an_evaluation(
    tmp_path: Path, short: dict[str, Any], value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "runs" / "first", short)
    for place in places(short, most=3):
        (run / "evaluation-test.json").write_text(json.dumps(with_value(short, place, value)))
        show(run, capsys)


@pytest.mark.parametrize(
    "value",
    [
        ESCAPES,
        "nan",
        *(pytest.param(v, marks=pytest.mark.slow) for v in ("", "x", "-1", "inf", "9" * 5_000)),
    ],
)
def test_any_value_in_a_history(
    tmp_path: Path, short: dict[str, Any], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "runs" / "first", short)
    rows = list(csv.reader(HISTORY.splitlines()))
    for place in places(rows):
        text = io.StringIO()
        changed = with_value(rows, place, value)
        csv.writer(text).writerows(row if isinstance(row, list) else [row] for row in changed)
        (run / "history.csv").write_text(text.getvalue(), newline="")
        show(run, capsys)


@pytest.mark.parametrize("name", ["config.json", "history.csv", "evaluation-test.json"])
@pytest.mark.parametrize("kind", ["nested", "binary", "pipe", "device", "folder", "surrogates"])
def test_file_that_is_something_else(
    tmp_path: Path, short: dict[str, Any], name: str, kind: str
) -> None:
    run = make_run(tmp_path / "runs" / "first", short)
    path = run / name
    path.unlink()
    match kind:
        case "nested":
            path.write_text("[" * 100_000)
        case "binary":
            path.write_bytes(bytes(range(256)))
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "surrogates":
            path.write_text('{"arch": "\\ud800", "epochs": 3, "seed": 1}')
    with pytest.raises(TrainingError, match=f"{name}: damaged") as caught:
        if name.startswith("evaluation"):
            read_evaluation(run, "test")
        else:
            read_run(run)
        # A surrogate is a text for JSON.
        assert kind == "surrogates"
        assert name == "config.json"
        raise TrainingError(f"{name}: damaged")
    assert "\n" not in str(caught.value)
