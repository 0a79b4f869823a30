"""Many tasks on all cores; on one where no process can be started."""

from __future__ import annotations

import multiprocessing.process

import pytest

from mnist_edge_trainer.workers import map_in_workers


def test_without_processes_the_work_is_done_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    assert list(map_in_workers(abs, [-3, 2, -1])) == [3, 2, 1]
    (record,) = caplog.records
    assert "no worker process" in record.getMessage()


def test_results_have_the_order_of_the_tasks() -> None:
    assert list(map_in_workers(abs, range(-20, 0))) == list(range(20, 0, -1))
