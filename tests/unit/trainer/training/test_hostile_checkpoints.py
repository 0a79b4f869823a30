"""Whatever a checkpoint holds: it is refused in one line, or works. No code of it is run."""

from __future__ import annotations

import io
import os
import pickle
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mnist_edge import MnistEdgeError, TrainingError
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.callbacks import CallbackList
from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.training_data import TrainingData
from tests.hostile import WRONG, places, with_value
from tests.unit.trainer.conftest import SILENT

CPU = torch.device("cpu")
CONFIG = TrainConfig(arch="mlp", epochs=3, photos=0, batch_size=16, val_split=16)

TENSORS = (
    torch.zeros(3),
    torch.zeros(0),
    torch.tensor(float("nan")),
    torch.zeros(1).expand(10**12),
    torch.zeros(2, dtype=torch.complex64),
    torch.zeros(4, 4).to_sparse(),
    torch.zeros(2, dtype=torch.bool),
)


class Interruption(CallbackList):
    def on_epoch(self, record: EpochRecord, is_best: bool) -> None:  # noqa: ARG002 - a protocol's
        if record["epoch"] == 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(mnist_subset: TrainingData) -> TrainingData:
    return TrainingData(mnist_subset.training[:64], mnist_subset.validation[:16])


@pytest.fixture(scope="module")
def run(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was interrupted after two epochs of three."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, folder, device=CPU, callback=Interruption([]))
    return folder


def use(run: RunFolder, data: TrainingData) -> None:
    """Does with a checkpoint what the commands do: evaluate, export, resume."""
    checkpoint = load_checkpoint(run.last)
    network = checkpoint.network()
    assert network(torch.zeros(1, 1, 28, 28)).isfinite().all()
    assert ", ".join(checkpoint.data.labels)
    assert f"{checkpoint.val_loss:.4f} {checkpoint.val_accuracy:.2%} {checkpoint.epoch:d}"
    train(checkpoint.config, data, run, device=CPU, callback=SILENT, resume=True)


@pytest.mark.parametrize("sample", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_any_value_in_any_place_is_refused_in_one_line_or_works(
    run: RunFolder, data: TrainingData, tmp_path: Path, sample: int
) -> None:
    values = torch.load(run.last, weights_only=True)
    changes = [(place, value) for place in places(values) for value in (*WRONG, *TENSORS)]
    messages = []
    for place, value in random.Random(sample).sample(changes, sample):
        folder = RunFolder(tmp_path / "run")
        shutil.copytree(run.path, folder.path)
        torch.save(with_value(values, place, value), folder.last)
        try:
            use(folder, data)
        except MnistEdgeError as error:
            messages.append(str(error))
        shutil.rmtree(folder.path)
    assert len(messages) > sample / 2
    assert all(len(message.splitlines()) == 1 for message in messages)


def test_checkpoint_as_it_was_written_is_used(
    run: RunFolder, data: TrainingData, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, folder.path)
    use(folder, data)
    assert len(folder.history.read_text().splitlines()) == 4


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harmed",))


def test_no_code_of_a_checkpoint_is_run(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best.pt"
    values = torch.load(run.best, weights_only=True)
    torch.save(values | {"weights": Harm()}, path)
    with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
        load_checkpoint(path)
    assert not Path("harmed").exists()
    pickle.loads(path.read_bytes())  # the harm is real
    assert Path("harmed").exists()


def test_archive_that_grows_when_it_is_unpacked_is_refused(run: RunFolder, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(run.best) as original,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in original.namelist():
            archive.writestr(name, original.read(name) + bytes(5_000_000 * name.endswith("/0")))
    path = tmp_path / "best.pt"
    path.write_bytes(packed.getvalue())
    with pytest.raises(TrainingError, match=r"damaged.*\(compressed\)"):
        load_checkpoint(path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_checkpoint_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "best.pt"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
    with pytest.raises(TrainingError, match=r"best\.pt: cannot be read \(not a file\)"):
        load_checkpoint(path)


def test_cut_checkpoint_is_refused(run: RunFolder, tmp_path: Path) -> None:
    content = run.best.read_bytes()
    path = tmp_path / "best.pt"
    for length in range(0, len(content), len(content) // 50):
        path.write_bytes(content[:length])
        with pytest.raises(TrainingError, match=r"best\.pt: damaged"):
            load_checkpoint(path)


def test_weights_that_are_not_finite_are_refused(run: RunFolder, tmp_path: Path) -> None:
    values = torch.load(run.best, weights_only=True)
    name = next(iter(values["weights"]))
    values["weights"][name][0] = float("nan")
    torch.save(values, tmp_path / "best.pt")
    with pytest.raises(TrainingError, match="weights that are not finite"):
        load_checkpoint(tmp_path / "best.pt")


def test_data_of_no_images_is_no_crash(run: RunFolder, data: TrainingData) -> None:
    few = TrainingData(data.training[:2], Digits(data.validation.images, data.validation.labels))
    with pytest.raises(MnistEdgeError, match="--batch-size 16: larger"):
        train(CONFIG, few, run, device=CPU, callback=SILENT, resume=True)
