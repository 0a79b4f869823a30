"""`mnist-edge train` says, uses and records how many threads it computes with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from mnist_edge.mnist import load_split
from mnist_edge_trainer.cli.common import training_packages
from mnist_edge_trainer.training import threads
from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.training.device import torch_threads
from mnist_edge_trainer.training.threads import Measurement
from tests.conftest import SAMPLES, Cli, one_line_error

PER_CLASS = 40


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of each of two digits."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = load_split(SAMPLES, "train")
    for digit in (0, 1):
        (folder / str(digit)).mkdir()
        for number, image in enumerate(images[labels == digit][:PER_CLASS]):
            Image.fromarray(image).save(folder / str(digit) / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)


def line_of(stderr: str) -> str:
    """The only line about threads."""
    (line,) = (line for line in stderr.splitlines() if " thread" in line)
    return line


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(RunFolder(run).best).weights


def test_number_is_measured_said_recorded_and_gives_the_weights_of_the_option(
    cli_in_process: Cli, pictures: Path, tmp_path: Path
) -> None:
    options = ("train", "--arch", "mlp", "--epochs", "2", "--data", pictures, "--output")
    done = cli_in_process(*options, tmp_path / "measured")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "measured" / "config.json").read_text())
    count = config["threads"]
    assert count in (1, 2)
    assert line_of(done.stderr).startswith(f"{count} thread")
    assert "a training step takes" in line_of(done.stderr)

    done = cli_in_process(*options, tmp_path / "given", "--threads", str(count))
    assert "as --threads or the recipe says" in line_of(done.stderr)
    measured, given = weights(tmp_path / "measured"), weights(tmp_path / "given")
    assert all(torch.equal(measured[name], given[name]) for name in measured)


def test_resumed_run_keeps_its_number(
    cli_in_process: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, classic = tmp_path / "run", ("train", "--arch", "mlp", "--recipe", "classic")
    monkeypatch.setattr(threads, "measure", lambda *_: Measurement(2, {1: 0.02, 2: 0.01}))
    options = (*classic, "--epochs", "1", "--data", pictures, "--output", run)
    done = cli_in_process(*options)
    assert line_of(done.stderr).startswith("2 threads: a training step takes 10 ms, 20 ms with 1")

    monkeypatch.setattr(threads, "measure", lambda *_: Measurement(1, {1: 0.01, 2: 0.02}))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = cli_in_process("train", "--resume", "--output", run)
    assert line_of(done.stderr) == "2 threads: as it was begun with"
    done = cli_in_process("train", "--resume", "--output", run, "--threads", "1")
    assert "--threads: a resumed run keeps the options" in one_line_error(done, 2)

    # Its recipe repeats it, with the same number.
    monkeypatch.delenv("OMP_NUM_THREADS")
    again = tmp_path / "again"
    done = cli_in_process("train", "--config", run / "recipe.toml", "--output", again)
    assert line_of(done.stderr).startswith("2 threads: as --threads or the recipe says")
    first, second = weights(run), weights(again)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "--threads 0: must be 1 or more; leave it out to measure"),
        ("-3", "--threads -3: must be 1 or more"),
        ("3", "there are 2 cores here, and more threads only wait for one another"),
        ("999999999999", "there are 2 cores here"),
    ],
)
def test_senseless_number_is_one_line_and_makes_no_folder(
    cli_in_process: Cli, tmp_path: Path, value: str, message: str
) -> None:
    done = cli_in_process("train", "--threads", value, "--output", tmp_path / "run")
    assert message in one_line_error(done, 2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command", [("evaluate",), ("export", "--quantize"), ("report", "--output", "report.html")]
)
@pytest.mark.parametrize(("environment", "count"), [(None, 1), ("2", 2)])
def test_other_commands_compute_with_one_thread_or_the_users_number(
    cli_in_process: Cli,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    environment: str | None,
    count: int,
    tmp_path: Path,
) -> None:
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    with torch_threads(2):
        # The run is not there; by then, the number is set.
        name, *options = command
        done = cli_in_process(name, tmp_path / "run", *options)
        assert done.returncode == 2
        assert torch.get_num_threads() == count


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_wants_them_to_spin(
    monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is restored
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    with training_packages():
        assert os.environ["OMP_WAIT_POLICY"] == kept
