"""Tables of a report: what 0.7.0 printed of it, and what depends on the run."""

from __future__ import annotations

import dataclasses

from mnist_edge.bench.compare import compare
from mnist_edge.bench.report import Report
from mnist_edge.bench.scenarios import Scenario
from mnist_edge.bench.tables import comparison_table, facts, markdown, tables

PRINTED = """\
one picture (single-stream)
model|threads|size KiB|top-1|p50 µs|95 % interval|p90 µs|p99 µs|relative|95 % interval|file to result µs
mnist-edge-int8|1|38.7|99.69%|76.2|45.3..142.6|100.9|8526.0|1.00 x|1.00..1.00|349
mnist-edge-nano-int8|1|15.6|99.57%|62.3|32.7..71.8|79.4|8271.2|0.75 x|0.53..0.95|275
several at a time (multi-stream, offline)
model|threads|p50 µs of 8|p99 µs of 8|images/s at 1|images/s at 8
mnist-edge-int8|1|318.0|12755.9|13,119|25,160
mnist-edge-nano-int8|1|209.3|12424.9|16,052|38,221
a fresh process
model|threads|load ms|first result ms|program ms|peak MiB|steady MiB|idle CPU ms/s
mnist-edge-int8|1|34.9|6.79|1159|57.6|57.6|0.6
mnist-edge-nano-int8|1|29.4|0.72|1062|57.5|57.5|0.3
"""  # noqa: E501
"""What `mnist-edge bench` 0.7.0 printed when it wrote the report, columns separated by ``|``."""


def test_tables_are_those_that_0_7_0_printed(old_report: Report) -> None:
    lines = []
    for table in tables(old_report):
        lines += [table.title, "|".join(table.headers), *map("|".join, table.rows)]
    assert lines == PRINTED.splitlines()


def test_provider_is_a_column_where_it_is_not_always_the_processor(old_report: Report) -> None:
    other = dataclasses.replace(old_report.targets[1], provider="CUDAExecutionProvider")
    report = dataclasses.replace(old_report, targets=[old_report.targets[0], other])
    for table in tables(report):
        column = table.headers.index("provider")
        assert [row[column] for row in table.rows] == ["CPU", "CUDA"]


def test_energy_is_a_column_where_it_is_known(old_report: Report) -> None:
    first = dataclasses.replace(old_report.targets[0], millijoules=0.25)
    table = tables(dataclasses.replace(old_report, targets=[first, old_report.targets[1]]))[0]
    column = table.headers.index("mJ")
    assert [row[column] for row in table.rows] == ["0.250", "-"]


def test_tables_without_measurements_are_left_out(old_report: Report) -> None:
    end_to_end = [item for item in old_report.measurements if item.scenario == Scenario.END_TO_END]
    not_started = [dataclasses.replace(target, load_ms=[]) for target in old_report.targets]
    report = dataclasses.replace(old_report, measurements=end_to_end, targets=not_started)
    (table,) = tables(report)
    cells = dict(zip(table.headers, table.rows[0], strict=True))
    assert (cells["p50 µs"], cells["p99 µs"], cells["relative"]) == ("-", "-", "-")
    assert cells["file to result µs"] == "349"
    assert tables(dataclasses.replace(report, measurements=[])) == []


def test_comparison_table_names_query_and_result(old_report: Report) -> None:
    other = dataclasses.replace(old_report.targets[0], sha256="other")
    before = dataclasses.replace(old_report, targets=[other, old_report.targets[1]])
    table = comparison_table(compare(old_report, before))
    assert table.headers == ["model", "query", "raw", "change", "interval", "result"]
    assert [row[1] for row in table.rows[:3]] == ["single-stream", "multi-stream, 8", "end-to-end"]
    assert table.rows[0][0] == "mnist-edge-int8 (1 thread) (another file)"
    assert table.rows[3][0] == "mnist-edge-nano-int8 (1 thread)"
    assert {row[-1] for row in table.rows} == {"no difference"}


def test_markdown_has_tables_facts_and_notes(old_report: Report) -> None:
    text = markdown(old_report, compare(old_report, old_report))
    assert text.count("no difference") == len(old_report.measurements)
    assert "the clock takes 80 ns" in text
    for line in (*facts(old_report), *old_report.notes):
        assert f"- {line}" in text
    assert old_report.environment["onnxruntime"] in text


def test_bar_in_a_cell_does_not_end_it(old_report: Report) -> None:
    named = dataclasses.replace(old_report.targets[0], name="a|b")
    report = dataclasses.replace(old_report, targets=[named, old_report.targets[1]])
    rows = [line for line in markdown(report, None).splitlines() if line.startswith("| a")]
    assert len(rows) == 3
    assert all(row.startswith("| a&#124;b | ") for row in rows)
