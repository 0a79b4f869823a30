"""Checkpoints: plain values only, damage is an error of ours, and earlier releases are read."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mnist_edge import TrainingError, UsageError
from mnist_edge.errors import OutputError
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint, RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.trainer import predict_logits
from mnist_edge_trainer.training.training_data import TrainingData
from tests.conftest import SAMPLES
from tests.unit.trainer.conftest import RUN_0_7, SILENT


@pytest.fixture(scope="module")
def run(
    mnist_subset: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, Checkpoint]:
    """A run of one epoch, and its best checkpoint."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    config = TrainConfig(epochs=1, val_split=len(mnist_subset.validation))
    result = train(config, mnist_subset, folder, device=torch.device("cpu"), callback=SILENT)
    return folder, result.best


def test_checkpoints_hold_tensors_and_plain_values_only(run: tuple[RunFolder, Checkpoint]) -> None:
    for path in (run[0].best, run[0].last):
        torch.load(path, weights_only=True)


def test_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with pytest.raises(UsageError, match="no such checkpoint"):
        load_checkpoint(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
        load_checkpoint(path)
    for content in (torch.zeros(3), {"config": {"momentum": 0.9}}, [1, 2]):
        torch.save(content, path)
        with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
            load_checkpoint(path)


def test_checkpoint_damaged_anywhere_is_refused_or_works(
    tmp_path: Path, run: tuple[RunFolder, Checkpoint]
) -> None:
    content = run[0].best.read_bytes()
    path = tmp_path / "best.pt"
    refused = 0
    for position in range(0, len(content), len(content) // 60):
        damaged = bytearray(content)
        damaged[position : position + 40] = bytes(40)
        path.write_bytes(damaged)
        try:
            load_checkpoint(path).network()
        except TrainingError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("arch", ["lenet", "gone", "edge-cnn"])
def test_weights_of_another_architecture_are_refused(
    run: tuple[RunFolder, Checkpoint], arch: str
) -> None:
    best = run[1]
    other = replace(best, config=replace(best.config, arch=arch))
    with pytest.raises(TrainingError, match=f"not of its architecture, {arch}"):
        other.network()


def test_checkpoint_of_release_0_7_is_read_under_todays_names() -> None:
    checkpoint = load_checkpoint(RUN_0_7 / "best.pt")
    config = checkpoint.config
    assert (config.arch, config.epochs, config.seed) == ("nano", 2, 1)
    assert (config.init_from, config.distill_views) == ("", 3)
    assert config.teacher == "mnist-edge-ensemble-int8"
    assert checkpoint.data == MNIST

    _, validation = split_training(load_digits(SAMPLES, "train"), config.val_split)
    logits = predict_logits(checkpoint.network(), validation.images)
    accuracy = (logits.argmax(dim=1) == validation.labels).float().mean()
    # 0.7.0's own figure; another processor may round a prediction or two to the other side.
    assert float(accuracy) == pytest.approx(checkpoint.val_accuracy, abs=0.005)


def test_checkpoint_of_a_committee_is_read_as_an_ensemble(tmp_path: Path) -> None:
    values = torch.load(RUN_0_7 / "best.pt", weights_only=True)
    weights = build("ensemble").state_dict()
    values |= {"config": values["config"] | {"arch": "committee"}, "weights": weights}
    torch.save(values, tmp_path / "best.pt")
    checkpoint = load_checkpoint(tmp_path / "best.pt")
    assert checkpoint.config.arch == "ensemble"
    assert checkpoint.network()(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
def test_full_disk_is_named_and_the_checkpoint_before_is_kept(
    run: tuple[RunFolder, Checkpoint], tmp_path: Path
) -> None:
    import resource

    path = tmp_path / "best.pt"
    run[1].save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"best\.pt: cannot be written \(File too large\)"):
            run[1].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
