"""Training in several processes: the same images, the same weights everywhere, and one end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.conftest import ROOT, Cli, Digits, one_line_error
from tests.process_tree import children, wait_for_end
from tests.rank_processes import PATIENCE, RECORD, ended, ranks

DIVERGING = ("--arch", "mlp", "--recipe", "classic", "--optimizer", "sgd", "--lr", "1e6")


@pytest.fixture(scope="module")
def pictures(test_digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 400 digits, as a user has them."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = test_digits
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for number, image in enumerate(images[labels == digit][:40]):
            Image.fromarray(image).save(folder / str(digit) / f"{number}.png")
    return folder


def record(pictures: Path, output: Path, count: int, batch: int, bits: int) -> list[dict[str, Any]]:
    output.mkdir()
    command = [sys.executable, "-c", RECORD, str(pictures), str(output), str(batch), str(bits)]
    if count == 1:
        subprocess.run(command, check=True, cwd=ROOT, timeout=PATIENCE)
    else:
        with ranks([command] * count) as processes:
            for code, _, err in ended(processes):
                assert code == 0, err
    return [torch.load(output / f"{number}.pt") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "bits"),
    [
        (2, 8),
        pytest.param(3, 8, marks=pytest.mark.slow),
        pytest.param(2, 4, marks=pytest.mark.slow),
    ],
)
def test_batches_are_those_of_one_process_and_all_ranks_end_alike(
    pictures: Path, tmp_path: Path, count: int, bits: int
) -> None:
    """A batch of 50 has three uneven shares."""
    (alone,) = record(pictures, tmp_path / "alone", 1, 50, bits)
    shared = record(pictures, tmp_path / "shared", count, 50, bits)
    steps = list(zip(*(rank["seen"] for rank in shared), strict=True))
    assert len(steps) == len(alone["seen"]) == 2 * 5
    for parts, whole in zip(steps, alone["seen"], strict=True):
        assert len({len(part) for part in parts}) == (1 if count == 2 else 2)
        assert torch.equal(torch.cat(parts), whole)
    first = shared[0]
    for other in shared[1:]:
        for name in ("network", "average"):
            assert first[name].keys() == other[name].keys()
            for key, value in first[name].items():
                assert torch.equal(value, other[name][key]), key
        for parameter, state in first["optimizer"].items():
            for key, value in state.items():
                assert torch.equal(value, other["optimizer"][parameter][key]), key
        assert first["history"] == other["history"]
    # Other distortions and other batch statistics, and still the same training.
    losses = [one["history"][0]["train_loss"] for one in (alone, first)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def torchrun(count: int, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(count), "-m", "mnist_edge", "train", *arguments),
    ]


def options(pictures: Path, output: Path, epochs: int = 2) -> list[str]:
    return [
        *("--data", str(pictures), "--output", str(output), "--epochs", str(epochs)),
        *("--arch", "nano", "--photos", "0", "--batch-size", "40", "--device", "cpu"),
    ]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_run_is_resumed_by_another_number_of_ranks(
    pictures: Path, tmp_path: Path, before: int, after: int
) -> None:
    """Only rank 0 prints and writes."""
    output = tmp_path / "run"
    arguments = options(pictures, output, epochs=200)
    with subprocess.Popen(
        torchrun(before, *arguments), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch   2"):
                break
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert (output / "last.pt").exists()
    last = torch.load(output / "last.pt", weights_only=True)
    done = last["epoch"]
    assert done >= 2
    resumed = subprocess.Popen(
        torchrun(after, "--resume", "--output", str(output), "--device", "cpu"),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with resumed:
        assert resumed.stderr is not None
        epochs = []
        for line in resumed.stderr:
            if found := re.match(r"epoch +(\d+)", line):
                epochs.append(int(found[1]))
            if len(epochs) == 2:
                break
        resumed.terminate()
        resumed.communicate(timeout=PATIENCE)
    assert epochs == [done + 1, done + 2]


@pytest.mark.slow
def test_torchrun_prints_and_writes_once(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    done = run(torchrun(2, *options(pictures, output)))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("best epoch")
    assert len(re.findall(r"^epoch ", done.stderr, re.MULTILINE)) == 2
    assert not list(output.glob("*.partial"))
    # A second one finds the run there, and says so once.
    again = run(torchrun(2, *options(pictures, output)))
    assert again.returncode != 0
    assert again.stderr.count("already contains a run") == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_end_of_one_rank_is_the_end_of_all(
    pictures: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = torchrun(2, *options(pictures, tmp_path / "run", epochs=500))
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch   1"):
                break
        started = sorted(children(process.pid))
        assert len(started) == 2
        os.kill(started[1], number)
        process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    wait_for_end(started)
    assert (tmp_path / "run" / "last.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_rank_that_is_left_says_why_it_ends(pictures: Path, tmp_path: Path, killed: int) -> None:
    """Without `torchrun`, which would end it."""
    command = [sys.executable, "-m", "mnist_edge", "train"]
    command += options(pictures, tmp_path / "run", epochs=500)
    with ranks([command] * 2) as processes:
        assert processes[0].stderr is not None
        for line in processes[0].stderr:
            if line.startswith("epoch   1"):
                break
        processes[killed].kill()
        code, _, err = ended([processes[1 - killed]])[0]
    assert code == 1
    assert err.splitlines()[-1] == (
        f"mnist-edge: rank {1 - killed} of 2: another rank has ended; find out why, and continue "
        "with --resume"
    )
    assert "Traceback" not in err


@pytest.mark.slow
def test_ranks_that_disagree_are_named(pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in pictures.iterdir():
        (other / folder.name).mkdir(parents=True)
        for picture in [*folder.iterdir()][:30]:
            (other / folder.name / picture.name).symlink_to(picture)
    train = [sys.executable, "-m", "mnist_edge", "train"]
    for data, reason in (
        (other, "rank 1: its training images are not those of rank 0; copy them there"),
        (tmp_path / "nowhere", "rank 1: "),
    ):
        commands = [[*train, *options(folder, tmp_path / "run")] for folder in (pictures, data)]
        with ranks(commands) as processes:
            (first, second) = ended(processes)
        assert first[0] != 0
        assert reason in first[2].splitlines()[-1]
        assert "Traceback" not in first[2] + second[2]
        assert second[0] != 0
        assert second[2] == ""
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_loss_that_is_not_finite_ends_all_with_one_line(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnist_edge", "train"]
    command += [*options(pictures, tmp_path / "run"), *DIVERGING]
    with ranks([command] * 2) as processes:
        first, second = ended(processes)
    assert first[0] == second[0] == 1
    assert "the loss is no longer finite" in first[2].splitlines()[-1]
    assert second[2] == ""


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK 2, WORLD_SIZE 2: no such rank"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK x, WORLD_SIZE 2: no such rank"),
    ],
)
def test_variables_that_make_no_sense(
    cli: Cli, pictures: Path, tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    done = cli("train", *options(pictures, tmp_path / "run"), variables={**variables, **where})
    assert reason in one_line_error(done, 2)


def test_number_reader_trains_in_one_process(cli: Cli) -> None:
    done = cli("train", "--task", "numbers", variables={"WORLD_SIZE": "2"})
    assert "--task numbers: trains in one process" in one_line_error(done, 2)
