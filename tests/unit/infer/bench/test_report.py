"""The JSON of a run: written, read, of earlier versions, and refused where it is something else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mnist_edge import UsageError
from mnist_edge.bench.compare import Outcome, compare
from mnist_edge.bench.report import Measurement, Report
from mnist_edge.bench.stats import Interval
from tests.unit.infer.bench.conftest import REPORT_0_7_0


def test_report_is_the_same_after_writing_and_reading(old_report: Report, tmp_path: Path) -> None:
    old_report.write(tmp_path / "run.json")
    again = Report.read(tmp_path / "run.json")
    assert again.to_dict() == old_report.to_dict()
    assert again.after == old_report.after
    assert again.after.stolen == old_report.after.stolen
    rounds = again.measurements[2].rounds
    np.testing.assert_array_equal(rounds, old_report.measurements[2].rounds)
    assert {item.change.value for item in compare(again, old_report)} == {1.0}


def test_json_has_the_keys_and_the_figures_of_0_7_0(old_report: Report) -> None:
    """The intervals in the file were computed by 0.7.0, and are computed again here."""
    content = json.loads(REPORT_0_7_0.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(old_report.to_dict())) == content
    assert list(old_report.to_dict()) == list(content)


def test_baseline_of_0_7_0_can_be_compared_with(old_report: Report) -> None:
    comparisons = compare(old_report, Report.read(REPORT_0_7_0))
    assert {comparison.outcome for comparison in comparisons} == {Outcome.SAME}
    queries = [("single-stream", 1), ("multi-stream", 8), ("end-to-end", 1)]
    assert [(item.name, item.scenario, item.pictures) for item in comparisons] == [
        (name, *query) for name in ("mnist-edge-int8", "mnist-edge-nano-int8") for query in queries
    ]


def test_unknown_fields_of_later_versions_are_ignored(tmp_path: Path, old_report: Report) -> None:
    content = json.loads(REPORT_0_7_0.read_text(encoding="utf-8"))
    for part in (content, content["subjects"][0], content["measurements"][0], content["before"]):
        part["new"] = 1
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    assert Report.read(path).to_dict() == old_report.to_dict()


def test_measurements_are_found_by_target_and_query(old_report: Report) -> None:
    first, eight = old_report.network_only(1), old_report.network_only(1, 8)
    assert first is not None
    assert (first.target, first.scenario, first.pictures) == (1, "single-stream", 1)
    assert eight is not None
    assert (eight.target, eight.scenario, eight.pictures) == (1, "multi-stream", 8)
    assert old_report.network_only(1, 9) is None
    end_to_end = old_report.end_to_end(1)
    assert end_to_end is not None
    assert (end_to_end.target, end_to_end.scenario) == (1, "end-to-end")
    assert old_report.end_to_end(2) is None


def test_measurement_summarizes_all_calls() -> None:
    times = [[[10_000, 20_000, 30_000], [20_000]], [[40_000], [20_000, 22_000]]]
    measurement = Measurement.from_times(0, "offline", 4, times)
    np.testing.assert_array_equal(measurement.rounds, [[20_000, 20_000], [40_000, 21_000]])
    assert measurement.calls == 7
    assert measurement.p90 == np.percentile([10, 20, 30, 20, 40, 20, 22], 90) * 1e3
    assert measurement.time.value == 20.5
    assert measurement.rate.value == pytest.approx(4 / 20.5e-6)


def test_first_target_is_as_fast_as_itself(old_report: Report) -> None:
    assert old_report.relative(0) == Interval(1, 1, 1)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"format": 2}', '{"format": 1, "before": {}}', "\x00"]
)
def test_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"run\.json: was not written by"):
        Report.read(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Report.read(tmp_path / "missing.json")
