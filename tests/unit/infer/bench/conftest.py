"""A report that version 0.7.0 wrote: its names and its figures are those of that version."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnist_edge.bench.report import Report

REPORT_0_7_0 = Path(__file__).with_name("report-0.7.0.json")


@pytest.fixture(scope="session")
def old_report() -> Report:
    """Two models, all scenarios, on one thread, in four processes of three rounds."""
    return Report.read(REPORT_0_7_0)
