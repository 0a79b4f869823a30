"""The trainer's commands at work: train, evaluate, export, report, on MNIST."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from mnist_edge.model import Model
from mnist_edge_trainer.evaluation import robustness
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS
from tests.conftest import PROGRAM, ROOT, Cli, on_a_small_disk, one_line_error


class TestRecipes:
    @pytest.mark.parametrize("of_mnist", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_run_is_repeated_from_its_recipe(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path, of_mnist: bool
    ) -> None:
        options = ["--arch", "mlp", "--recipe", "classic", "--epochs", "1", "--lr", "0.001"]
        if not of_mnist:
            options += ["--data", str(image_folder)]
        first, second = tmp_path / "first", tmp_path / "second"
        done = cli_in_process("train", *options, "--output", first)
        assert done.returncode == 0, done.stderr
        recipe = first / "recipe.toml"
        done = cli_in_process("train", "--config", recipe, "--output", second)
        assert done.returncode == 0, done.stderr
        histories = [
            next(csv.DictReader((run / "history.csv").read_text().splitlines()))
            for run in (first, second)
        ]
        assert histories[0]["val_loss"] == histories[1]["val_loss"]
        fields = tomllib.loads((second / "recipe.toml").read_text())
        assert (fields["lr"], fields["optimizer"]) == (0.001, "adam")
        done = cli_in_process("runs", first, second)
        assert done.returncode == 0, done.stderr
        if of_mnist:
            assert float(histories[0]["val_accuracy"]) > 0.9

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--config", "RECIPE"), 2, "did you mean 'epochs'?"),
            (("--recipe", "clasic"), 2, "did you mean 'classic'"),
            (("--recipe", "classic", "--config", "RECIPE"), 2, "choose one"),
            (("--recipe", "classic", "--fast"), 2, "--recipe and --fast: choose one"),
            (("--teacher", "nobody.onnx"), 2, "nobody.onnx: no such model file"),
            (("--optimizer", "adm"), 2, "--optimizer adm: unknown; choose one of adamw"),
            (("--dataset", "fashon-mnist"), 2, "did you mean 'fashion-mnist'"),
            (("--init-from", "nowhere"), 2, "no such checkpoint"),
            (("--data", "README.md"), 1, "--data takes the folder that it is in"),
        ],
    )
    def test_mistake_is_one_line_and_makes_no_folder(
        self,
        cli_in_process: Cli,
        tmp_path: Path,
        arguments: tuple[str, ...],
        code: int,
        message: str,
    ) -> None:
        recipe = tmp_path / "recipe.toml"
        recipe.write_text("epoch = 3\n")
        given = [str(recipe) if argument == "RECIPE" else argument for argument in arguments]
        done = cli_in_process("train", *given, "--output", tmp_path / "run")
        assert message in one_line_error(done, code)
        assert not (tmp_path / "run").exists()


class TestFailures:
    """In a process of its own, for each exit code: 1, 2, 130."""

    DIVERGING = ("--arch", "mlp", "--recipe", "classic", "--optimizer", "sgd", "--lr", "1e6")

    def test_diverging_run_exits_with_1(self, cli: Cli, image_folder: Path, tmp_path: Path) -> None:
        options = (*self.DIVERGING, "--data", image_folder)
        done = cli("train", *options, "--output", tmp_path / "run")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert "no longer finite in epoch 1; start again with a smaller --lr" in last
        assert "Traceback" not in done.stderr

    def test_run_is_not_overwritten_and_exits_with_2(self, cli: Cli, trained_run: Path) -> None:
        done = cli("train", "--epochs", "1", "--output", trained_run)
        assert "--resume" in one_line_error(done, 2)

    def test_interrupted_training_exits_with_130_and_can_be_resumed(
        self, cli_in_process: Cli, image_folder: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "mlp", "--epochs", "60", "--patience", "60", "--data", image_folder)
        with subprocess.Popen(
            [*PROGRAM, "train", *map(str, options), "--output", str(run)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("epoch"):
                    break
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=120)
        assert process.returncode == 130
        assert f"--resume --output {run}" in rest
        assert "Traceback" not in rest
        done = cli_in_process("train", "--resume", "--output", run)
        assert done.returncode == 0, done.stderr
        assert len((run / "history.csv").read_text().splitlines()) == 61

    def test_full_disk_is_one_line(self, image_folder: Path, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        options = ("--arch", "mlp", "--recipe", "classic", "--epochs", "1", "--data", image_folder)
        done = on_a_small_disk(disk, "train", *options, "--output", disk / "run")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.endswith("best.pt: cannot be written (No space left on device)")


def test_archs_are_listed_with_their_sizes_and_accuracies(cli_in_process: Cli) -> None:
    done = cli_in_process("archs", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["arch"]: row for row in json.loads(done.stdout)}
    # Counted by hand, from the layers.
    assert rows["lenet"]["parameters"] == 61_706
    assert rows["lenet"]["macs"] == 28**2 * 25 * 6 + 100 * 150 * 16 + 400 * 120 + 120 * 84 + 840
    assert rows["mlp"]["parameters"] == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    # The accuracy that LeNet's authors report.
    assert min(rows["lenet"]["test_accuracy_int8"]) > 0.9879
    assert "lenet" in cli_in_process("archs").stdout


@pytest.mark.slow
def test_one_epoch_with_photographs_reads_photographs(cli: Cli, tmp_path: Path) -> None:
    done = cli("train", "--epochs", "1", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader((tmp_path / "history.csv").read_text().splitlines())
    assert float(row["val_accuracy"]) > 0.97
    assert float(row["val_photo_accuracy"]) > 0.8


class TestDefaultNetwork:
    """train, evaluate, export and report, with the architecture that is shipped."""

    def test_one_epoch_is_already_accurate(self, trained_run: Path) -> None:
        for name in ("best.pt", "last.pt", "config.json", "history.csv", "curves.png"):
            assert (trained_run / name).stat().st_size > 0
        (row,) = csv.DictReader((trained_run / "history.csv").read_text().splitlines())
        assert float(row["val_accuracy"]) > 0.97

    def test_resuming_with_other_options_is_refused(
        self, cli_in_process: Cli, trained_run: Path
    ) -> None:
        resume = ("train", "--resume", "--output", trained_run)
        message = one_line_error(cli_in_process(*resume, "--lr", "1", "--seed", "0"), 2)
        assert "--lr" in message
        assert "--seed" not in message

    def test_evaluate_writes_json_and_pictures(
        self, cli_in_process: Cli, trained_run: Path
    ) -> None:
        done = cli_in_process("evaluate", trained_run, "--json")
        assert done.returncode == 0, done.stderr
        scores = json.loads(done.stdout)
        assert scores["accuracy"] > 0.97
        assert len(scores["classes"]) == 10
        assert (trained_run / "confusion-test.png").exists()
        text = cli_in_process("evaluate", trained_run, "--split", "validation").stdout
        assert "5,000 validation images" in text
        assert "macro" in text

    def test_exported_model_predicts(
        self, cli_in_process: Cli, trained_run: Path, tmp_path: Path
    ) -> None:
        model = tmp_path / "mine.onnx"
        done = cli_in_process("export", trained_run, "--quantize", "--output", model)
        assert done.returncode == 0, done.stderr
        first_column = [line.split()[0] for line in done.stdout.splitlines()[:4]]
        assert first_column == ["precision", "torch", "fp32", "int8"]
        assert "next: mnist-edge predict" in done.stderr
        int8 = tmp_path / "mine-int8.onnx"
        predict = ("predict", "samples/0-mnist.png", "--model", int8, "--format", "jsonl")
        assert json.loads(cli_in_process(*predict).stdout)["digit"] == 0
        facts = json.loads(cli_in_process("info", int8, "--json").stdout)
        assert facts["model"]["epoch"] == "1"

    def test_report_opens_offline(
        self, cli_in_process: Cli, trained_run: Path, tmp_path: Path
    ) -> None:
        done = cli_in_process("report", trained_run, "--output", tmp_path / "report.html")
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        scores = json.loads((trained_run / "evaluation-test.json").read_text())
        assert f"{scores['accuracy']:.2%}" in page
        assert page.count("data:image/png;base64,") >= 6
        assert 'src="http' not in page
        assert "<script" not in page

    def test_robustness_compares_preprocessing_with_the_naive_way(
        self, cli_in_process: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        some = {name: CORRUPTIONS[name] for name in ("shadow", "ruled paper")}
        monkeypatch.setattr(robustness, "CORRUPTIONS", some)
        options = ("--robustness", "--split", "validation", "--pictures", "4", "--json")
        done = cli_in_process("evaluate", "mnist-edge-int8", *options)
        assert done.returncode == 0, done.stderr
        scores = json.loads(done.stdout)
        assert scores["pictures"] == 4
        middle = scores["mean"][1]
        assert middle["front_end"] > middle["naive"]

    @pytest.mark.parametrize("photos", [20, pytest.param(1_000, marks=pytest.mark.slow)])
    def test_rejection_curve_starts_with_all_predictions(
        self, cli_in_process: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: int
    ) -> None:
        monkeypatch.setattr(dataset, "_HELD_OUT", photos)
        options = ("--rejection", "--split", "validation", "--json", "--output", tmp_path)
        done = cli_in_process("evaluate", "mnist-edge-int8", *options)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "rejection.png").exists()
        curve = json.loads(done.stdout)
        assert curve[0]["right"] + curve[0]["wrong"] == pytest.approx(1)
        assert curve[0]["no_digit"] == 1
        if photos == 1_000:
            threshold = Model.load("mnist-edge-int8").min_confidence
            (point,) = (point for point in curve if point["threshold"] == threshold)
            assert point["right"] >= 0.985 * curve[0]["right"]
            assert point["no_digit"] < 0.7
