"""The trainer's commands at work on the user's own pictures, and on clothes."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from pathlib import Path

import pytest

from mnist_edge.model import Model
from tests.conftest import Cli, one_line_error
from tests.integration.conftest import PER_CLASS

CLOTHES = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts it."""


def test_data_of_an_image_folder_names_what_is_skipped(
    cli_in_process: Cli, image_folder: Path
) -> None:
    done = cli_in_process("data", "--data", image_folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["classes"] == ["class 0", "class 1", "class 7"]
    counts = [split["images"] for split in facts["splits"].values()]
    assert sum(counts) == 3 * PER_CLASS
    assert min(counts) >= 3
    for name in ("notes.png", "blank.png"):
        assert name in done.stderr


class TestImageFolder:
    def test_trained_model_predicts_the_names_of_its_classes(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "lenet", "--epochs", "12", "--batch-size", "16")
        done = cli_in_process("train", "--data", image_folder, *options, "--output", run)
        assert done.returncode == 0, done.stderr
        done = cli_in_process("export", run, "--quantize")
        assert done.returncode == 0, done.stderr
        picture = image_folder / "class 7" / "3.png"
        model = run / "mnist-edge-int8.onnx"
        done = cli_in_process("predict", picture, "--model", model, "--format", "jsonl")
        row = json.loads(done.stdout)
        assert (row["digit"], row["label"]) == (2, "class 7")
        assert len(row["probabilities"]) == 3
        report = json.loads(cli_in_process("evaluate", run, "--json").stdout)
        assert report["accuracy"] > 0.8
        assert [scores["label"] for scores in report["classes"]] == list(Model.load(model).labels)
        assert report["int8"]["file"] == model.name

    def test_run_knows_its_images_wherever_their_folder_is(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path
    ) -> None:
        pictures, run = tmp_path / "mnist", tmp_path / "run"
        shutil.copytree(image_folder, pictures)
        options = ("--arch", "mlp", "--epochs", "1", "--data", pictures.name)
        done = cli_in_process("train", *options, "--output", run, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        scores = json.loads(cli_in_process("evaluate", run, "--json").stdout)
        assert scores["dataset"] == "folder mnist"
        assert scores["images"] < PER_CLASS
        again = ("--config", run / "recipe.toml", "--seed", "1", "--output", tmp_path / "again")
        assert cli_in_process("train", *again).returncode == 0

        validation = ("evaluate", run, "--split", "validation")
        elsewhere = cli_in_process(*validation, "--data", image_folder, "--json")
        assert elsewhere.returncode == 0, elsewhere.stderr
        for number in range(20):
            (pictures / "class 7" / f"{number}.png").unlink()
        done = cli_in_process("train", "--resume", "--output", run)
        assert done.returncode == 2
        assert "are not those that it started with" in done.stderr.splitlines()[-1]
        done = cli_in_process(*validation)
        assert done.returncode == 2
        assert "may have seen these" in done.stderr.splitlines()[-1]
        shutil.rmtree(pictures)
        assert "point --data at it" in one_line_error(cli_in_process("evaluate", run), 1)

    def test_options_for_digits_are_refused_for_other_classes(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "mlp", "--epochs", "1", "--data", image_folder)
        assert cli_in_process("train", *options, "--output", run).returncode == 0
        for flag in ("--robustness", "--rejection"):
            done = cli_in_process("evaluate", run, flag)
            assert done.returncode == 2
            assert "only digits are photographed" in done.stderr.splitlines()[-1]
        done = cli_in_process("train", *options, "--photos", "100", "--output", tmp_path / "other")
        assert done.returncode == 2
        assert "use --photos 0" in done.stderr.splitlines()[-1]

    def test_network_of_ten_digits_is_fine_tuned_to_three_classes(
        self, cli_in_process: Cli, trained_run: Path, image_folder: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--init-from", trained_run, "--batch-size", "16", "--lr", "0.004")
        done = cli_in_process("train", "--data", image_folder, *options, "--output", run)
        assert done.returncode == 0, done.stderr
        scores = json.loads(cli_in_process("evaluate", run, "--json").stdout)
        assert scores["accuracy"] > 0.9

    def test_folder_with_one_class_is_refused(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(image_folder / "class 7", tmp_path / "only" / "class 7")
        done = cli_in_process("train", "--data", tmp_path / "only", "--output", tmp_path / "run")
        assert "needs two or more" in one_line_error(done, 1)


@pytest.mark.skipif(not CLOTHES.is_dir(), reason="apt-get install dataset-fashion-mnist")
def test_model_of_fashion_mnist_predicts_the_names_of_clothes(
    cli_in_process: Cli, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ("--dataset", "fashion-mnist", "--data", CLOTHES, "--arch", "mlp")
    recipe = ("--recipe", "classic", "--epochs", "1")
    done = cli_in_process("train", *options, *recipe, "--output", run)
    assert done.returncode == 0, done.stderr
    done = cli_in_process("export", run, "--data", CLOTHES)
    assert done.returncode == 0, done.stderr
    images = CLOTHES / "t10k-images-idx3-ubyte.gz"
    model = run / "mnist-edge-fp32.onnx"
    done = cli_in_process("predict", images, "--model", model, "--format", "csv")
    predicted = [row["label"] for row in csv.DictReader(done.stdout.splitlines())]
    # After the eight bytes of the header.
    labels = gzip.decompress((CLOTHES / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    names = Model.load(model).labels
    correct = sum(names[label] == name for label, name in zip(labels, predicted, strict=True))
    assert correct / len(labels) > 0.7
