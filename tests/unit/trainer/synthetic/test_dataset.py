"""The synthetic dataset: variants, negatives, the cache, and workers that end with their parent."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mnist_edge.batch.worker_pool import WorkerPool, available_cores
from mnist_edge.model import Model
from mnist_edge_trainer.data.splits import Digits as LabelledDigits
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.synthetic.dataset import (
    NEGATIVE,
    SyntheticDataset,
    held_out_negatives,
    held_out_photos,
)
from mnist_edge_trainer.synthetic.digit_variants import digit_variant
from mnist_edge_trainer.synthetic.negatives import printed_digit, sample_negative
from tests.conftest import SAMPLES, Digits
from tests.process_tree import children, has_loaded, needs_proc, wait_for_end, wait_until

RENDER = """
import pathlib, sys
from mnist_edge.mnist import load_split
from mnist_edge_trainer.synthetic.dataset import SyntheticDataset
images, labels = load_split(sys.argv[1], "test")
SyntheticDataset(images, labels.astype("int64"), pathlib.Path(sys.argv[2])).chunk(0)
"""


def test_digit_variants_are_recognized_by_the_network_that_was_trained_on_them() -> None:
    drawn = [digit_variant(np.random.default_rng([7, seed])) for seed in range(200)]
    images, labels = zip(*drawn, strict=True)
    assert set(labels) == {1, 3, 4, 7, 9}
    predicted = Model.load().run(np.stack(images)).argmax(axis=1)
    assert np.mean(predicted == np.array(labels)) >= 0.95


def test_printed_digits_are_recognized_and_negatives_rejected(train_digits: Digits) -> None:
    model = Model.load()
    labels = np.arange(200) % 10
    printed = [printed_digit(int(n), np.random.default_rng([8, i])) for i, n in enumerate(labels)]
    assert np.mean(model.run(np.stack(printed)).argmax(axis=1) == labels) >= 0.95
    negatives = [
        sample_negative(train_digits[0][:100], np.random.default_rng([9, i])) for i in range(200)
    ]
    rejected = model.run(np.stack(negatives)).max(axis=1) < model.min_confidence
    assert rejected.mean() >= 0.3


def test_chunk_is_rendered_once_and_again_where_its_file_is_damaged(
    tmp_path: Path, train_digits: Digits
) -> None:
    photos = SyntheticDataset(train_digits[0][:60], train_digits[1][:60].astype(np.int64), tmp_path)
    first = photos.chunk(0)
    assert 0 < (first.labels == NEGATIVE).sum() < 20
    assert first.images.any(axis=(1, 2)).all()

    (file,) = tmp_path.glob("*.npz")
    written = file.stat().st_mtime_ns
    cached = photos.chunk(0)
    assert file.stat().st_mtime_ns == written
    file.write_bytes(file.read_bytes()[:1000])
    rendered = photos.chunk(0)
    for again in (cached, rendered):
        np.testing.assert_array_equal(first.images, again.images)
        np.testing.assert_array_equal(first.labels, again.labels)


def test_held_out_photos_and_negatives_are_labelled(
    tmp_path: Path, train_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "cache_folder", lambda name: tmp_path / name)
    digits = LabelledDigits.of(train_digits[0][:20], train_digits[1][:20])
    photos, negatives = held_out_photos(digits), held_out_negatives(digits)
    assert 15 <= len(photos) <= 20
    assert set(photos.labels.tolist()) <= set(digits.labels.tolist())
    assert set(negatives.labels.tolist()) == {NEGATIVE}
    assert len(list((tmp_path / "photos").glob("*.npz"))) == 2


@needs_proc
def test_workers_end_when_the_process_that_renders_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RENDER, SAMPLES, tmp_path]) as parent:

        def workers() -> list[int]:
            """Those that have imported the simulator: they have their first batch."""
            return [pid for pid in children(parent.pid) if has_loaded(pid, "_nd_image")]

        try:
            wait_until(lambda: len(workers()) == available_cores(), "all workers render")
            started = children(parent.pid)
        finally:
            parent.kill()
    wait_for_end(started)
    assert not list(tmp_path.glob("*.npz"))


def test_number_of_workers_does_not_change_the_photographs(
    tmp_path: Path, train_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, labels = train_digits[0][:120], train_digits[1][:120].astype(np.int64)
    rendered = []
    for workers in (1, 3):
        monkeypatch.setattr(
            "mnist_edge_trainer.workers.WorkerPool",
            lambda work, workers=workers: WorkerPool(work, workers),
        )
        rendered.append(SyntheticDataset(digits, labels, tmp_path / str(workers)).chunk(0))
    np.testing.assert_array_equal(rendered[0].images, rendered[1].images)
    np.testing.assert_array_equal(rendered[0].labels, rendered[1].labels)


def test_chunks_rendered_ahead_are_the_same_and_cached(
    tmp_path: Path, train_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "CHUNK", 70)
    digits, labels = train_digits[0][:210], train_digits[1][:210].astype(np.int64)
    alone = SyntheticDataset(digits, labels, tmp_path / "alone")
    expected = [alone.chunk(number) for number in range(3)]
    ahead = SyntheticDataset(digits, labels, tmp_path / "ahead")
    ahead.chunk(1)
    for stored in (1, 3):  # in the cache before, and after
        assert len(list((tmp_path / "ahead").glob("*.npz"))) == stored
        with contextlib.closing(ahead.stream(3, workers=2)) as chunks:
            for chunk, photos in zip(chunks, expected, strict=True):
                np.testing.assert_array_equal(chunk.images, photos.images)
                np.testing.assert_array_equal(chunk.labels, photos.labels)


@needs_proc
def test_workers_ahead_end_with_the_stream(tmp_path: Path, train_digits: Digits) -> None:
    digits, labels = train_digits[0][:3_000], train_digits[1][:3_000].astype(np.int64)
    before = set(children(os.getpid()))
    chunks = SyntheticDataset(digits, labels, tmp_path).stream(3, workers=2)
    first = next(chunks)
    assert len(first) > 800
    started = set(children(os.getpid())) - before
    assert started
    chunks.close()
    assert not started & set(children(os.getpid()))
