"""The trainer's commands at work: train, evaluate, export, report, on MNIST and an image folder."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.mnist import load_split
from mnist_edge.model import Model
from mnist_edge_trainer.evaluation import robustness
from mnist_edge_trainer.synthetic import dataset
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS
from tests.conftest import PROGRAM, ROOT, SAMPLES, Cli, on_a_small_disk, one_line_error

CLOTHES = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts it."""

PER_CLASS = 60


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of each of three digits, a folder for each; and two unusable files."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = load_split(SAMPLES, "train")
    for digit in (0, 1, 7):
        (folder / f"class {digit}").mkdir()
        for number, image in enumerate(images[labels == digit][:PER_CLASS]):
            Image.fromarray(image).save(folder / f"class {digit}" / f"{number}.png")
    (folder / "class 0" / "notes.png").write_text("not a picture")
    Image.new("L", (40, 40), 255).save(folder / "class 1" / "blank.png")
    return folder


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
        self, cli_in_process: Cli, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "mlp", "--epochs", "3", "--photos", "0")
        with subprocess.Popen(
            [*PROGRAM, "train", *options, "--output", run],
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
        assert len((run / "history.csv").read_text().splitlines()) == 4

    def test_full_disk_is_one_line(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        options = ("--arch", "mlp", "--recipe", "classic", "--epochs", "1")
        done = on_a_small_disk(disk, "train", *options, "--output", disk / "run")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "best.pt: cannot be written" in done.stderr.splitlines()[-1]


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
