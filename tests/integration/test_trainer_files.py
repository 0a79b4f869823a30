"""What the trainer's commands write: never over what they read; names that steer no terminal."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.model import Model
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.training.run_lock import locked
from tests.conftest import SAMPLES, Cli, Digits, one_line_error
from tests.hostile import ESCAPES

NAME = ESCAPES.replace("/", "")
STEERING = {chr(code) for code in (*range(32), *range(127, 160), 0x202E)} - {"\n"}

MLP = ("--arch", "mlp", "--epochs", "1")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, train_digits: Digits) -> Path:
    """Digits in ``train`` and ``val``: 30 and 12 of one class, 6 and 3 of the other."""
    folder = tmp_path_factory.mktemp("data") / NAME
    images, labels = train_digits
    for digit, counts in ((3, (30, 12)), (8, (6, 3))):
        numbers = iter(images[labels == digit])
        for split, count in zip(("train", "val"), counts, strict=True):
            (folder / split / str(digit)).mkdir(parents=True)
            for number in range(count):
                path = folder / split / str(digit) / f"{number}.png"
                Image.fromarray(next(numbers)).save(path)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pictures: Path, cli_in_process: Cli) -> Path:
    """A run on them, with weights of classes; its name steers terminals."""
    run = tmp_path_factory.mktemp("runs") / NAME
    weights = ("--class-weights", "balanced")
    done = cli_in_process("train", *MLP, *weights, "--data", pictures, "--output", run)
    assert done.returncode == 0, done.stderr
    assert "36 images" in done.stderr
    assert "15 images to validate with" in done.stderr
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / NAME)


def test_splits_and_class_weights_are_in_the_record_and_the_report(
    cli_in_process: Cli, run: Path
) -> None:
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["splits"] == "train, val"
    assert recipe["class_weights"] == "balanced"
    assert recipe["val_split"] == 15
    again = ("--config", run / "recipe.toml", "--output", run.parent / "again")
    done = cli_in_process("train", *again)
    assert done.returncode == 0, done.stderr
    weights = [path.read_text() for path in (run / "history.csv", run.parent / "again/history.csv")]
    losses = [next(csv.DictReader(text.splitlines()))["val_loss"] for text in weights]
    assert losses[0] == losses[1]
    scores = json.loads(cli_in_process("evaluate", run, "--json").stdout)
    assert scores["images"] == 15  # without a test folder, the pictures to validate with
    done = cli_in_process("report", run)
    assert done.returncode == 0, done.stderr
    assert not STEERING & set(done.stdout + done.stderr)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "as in the folders train, val" in page
    assert "<dt>class weights</dt><dd>balanced</dd>" in page
    done = cli_in_process("train", *MLP, "--data", recipe["data"], "--val-split", "9")
    assert "has validation pictures of its own" in done.stderr.splitlines()[-1]
    assert done.returncode == 2


def test_no_name_steers_the_terminal(cli_in_process: Cli, run: Path, pictures: Path) -> None:
    for arguments in (
        ("evaluate", run),
        ("runs", run),
        ("runs", run, run),
        ("runs", run.parent / f"{NAME}gone"),
        ("data", "--data", pictures),
        ("data", "--data", pictures, "--output", run.parent / f"{NAME}.png"),
        ("data", "--dataset", NAME),
        ("export", run, "--force", "--output", run / f"{NAME}.onnx"),
        ("evaluate", run / f"{NAME}.onnx", "--data", pictures),
        ("train", *MLP, "--data", pictures, "--output", run.parent / f"{NAME}2"),
        ("train", "--config", run / f"{NAME}.toml"),
        ("train", *MLP, "--teacher", NAME),
    ):
        done = cli_in_process(*arguments)
        assert not STEERING & set(done.stdout + done.stderr), arguments[0]
        assert "�" not in done.stdout


class TestOutputOverAnInput:
    """Refused with exit code 2; no file is changed, and none is made."""

    @pytest.mark.parametrize("link", ["name", "symbolic", "hard"])
    @pytest.mark.parametrize("command", ["report", "export", "data", "evaluate", "tune", "train"])
    def test_is_refused(
        self, cli_in_process: Cli, run: Path, pictures: Path, command: str, link: str
    ) -> None:
        own = shutil.copytree(pictures, run.parent / "own")
        # As when it was trained: the copies' bytes are the same.
        picture = own / "train" / "3" / "0.png"
        output = {
            "report": run.parent / "page.html",
            "export": run.parent / "mine.onnx",
            "data": run.parent / "sheet.png",
            "evaluate": run.parent / "scores" / "confusion-test.png",
            "tune": run.parent / "tuned.toml",
            "train": run.parent / "new" / "history.csv",
        }[command]
        victim = run / "best.pt" if command in ("report", "export") else picture
        if link == "name" and command in ("report", "export", "data", "tune"):
            output = victim
        else:
            output.parent.mkdir(exist_ok=True)
            if link == "hard":
                os.link(victim, output)
            else:
                output.symlink_to(victim)
        arguments = {
            "report": ("report", run, "--output", output),
            "export": ("export", run, "--output", output),
            "data": ("data", "--output", output),
            "evaluate": ("evaluate", run, "--output", output.parent),
            "tune": ("tune", *MLP, "--output", output, "--storage", run.parent / "tune.db"),
            "train": ("train", *MLP, "--output", output.parent),
        }[command]
        if command == "export" and output == victim:
            pytest.skip("an output that does not end in .onnx is a folder")
        before = everything_in(run.parent)
        done = cli_in_process(*arguments, "--data", own)
        assert done.returncode == 2, done.stderr
        assert "would overwrite" in done.stderr.splitlines()[-1]
        assert everything_in(run.parent) == before

    def test_search_and_its_recipe_need_two_files(self, cli_in_process: Cli, run: Path) -> None:
        same = run.parent / "tune.db"
        done = cli_in_process("tune", *MLP, "--output", same, "--storage", same)
        assert "--storage too" in one_line_error(done, 2)
        assert not same.exists()

    def test_recipe_of_the_user_in_the_new_folder(self, cli_in_process: Cli, run: Path) -> None:
        folder = run.parent / "new"
        folder.mkdir()
        recipe = folder / "recipe.toml"
        recipe.write_text("# mine\nepochs = 1\n")
        done = cli_in_process("train", "--config", recipe, "--output", folder)
        assert "would overwrite" in one_line_error(done, 2)
        assert recipe.read_text().startswith("# mine")


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_second_training_into_a_folder_is_refused(
    cli_in_process: Cli, run: Path, pictures: Path
) -> None:
    new = ("train", *MLP, "--data", pictures, "--output", run.parent / "new")
    with locked(run.parent / "new"):
        done = cli_in_process(*new)
    assert done.returncode == 2
    assert "another training is writing into it" in done.stderr.splitlines()[-1]
    with locked(run):
        done = cli_in_process("train", "--resume", "--output", run)
    assert done.returncode == 2
    assert "another training is writing into it" in done.stderr.splitlines()[-1]
    assert cli_in_process(*new).returncode == 0


def test_photographs_are_trained_on_and_exported_with(
    cli_in_process: Cli, tmp_path: Path, train_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast one of what is done with all of MNIST's photographs in a slow test."""
    monkeypatch.setattr(dataset, "map_in_workers", map)
    images, labels = train_digits
    for digit in range(10):
        (tmp_path / "data" / str(digit)).mkdir(parents=True)
        for number, image in enumerate(images[labels == digit][:8]):
            Image.fromarray(image).save(tmp_path / "data" / str(digit) / f"{number}.png")
    run = tmp_path / "run"
    options = ("--arch", "nano", "--epochs", "2", "--photos", "20", "--data", tmp_path / "data")
    done = cli_in_process("train", *options, "--output", run)
    assert done.returncode == 0, done.stderr
    assert "and 20 simulated photographs to train on" in done.stderr
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert all(0 <= float(row["val_photo_accuracy"]) <= 1 for row in rows)
    done = cli_in_process("export", run, "--quantize", "--force")
    assert done.returncode == 0, done.stderr
    model = Model.load(str(run / "mnist-edge-int8.onnx"))
    assert json.loads(model.metadata["training_recipe"])["photos"] == 20
    # Chosen on photographs; without them it would be 0.
    assert model.min_confidence > 0


@pytest.mark.parametrize("command", ["evaluate", "export", "report"])
def test_damaged_checkpoint_is_one_line(cli_in_process: Cli, run: Path, command: str) -> None:
    (run / "best.pt").write_bytes((SAMPLES / "7-mnist.png").read_bytes())
    assert "best.pt: damaged" in one_line_error(cli_in_process(command, run), 1)
