"""The workstation's commands, in the order of a student's day: data, train, evaluate, report."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.mnist import load_split
from mnist_edge.model import Model
from tests.conftest import ROOT, SAMPLES, Cli, on_a_small_disk, one_line_error

CLOTHES = Path("/usr/share/datasets/fashion-mnist")
"""Of Debian's package dataset-fashion-mnist."""


@pytest.fixture(scope="module")
def own_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of each of three digits, a folder for each, and some that are no pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = load_split(SAMPLES, "train")
    for digit in (0, 1, 7):
        (folder / f"class {digit}").mkdir()
        for number, image in enumerate(images[labels == digit][:60]):
            Image.fromarray(image).save(folder / f"class {digit}" / f"{number}.png")
    (folder / "class 0" / "notes.png").write_text("no picture")
    Image.new("L", (40, 40), 255).save(folder / "class 1" / "blank.png")
    return folder


class TestData:
    def test_what_is_in_it(self, cli: Cli, tmp_path: Path) -> None:
        sheet = tmp_path / "sheet.png"
        done = cli("data", "--json", "--out", sheet)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        splits = facts["splits"]
        assert [splits[name]["images"] for name in splits] == [55_000, 5_000, 10_000]
        # The published count of ones: http://yann.lecun.com/exdb/mnist/
        assert splits["training"]["counts"]["1"] + splits["validation"]["counts"]["1"] == 6_742
        with Image.open(sheet) as picture:
            assert min(picture.size) > 300
        table = cli("data").stdout
        assert "55,000" in table

    def test_pictures_of_ones_own(self, cli: Cli, own_pictures: Path) -> None:
        done = cli("data", "--data", own_pictures, "--json")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["classes"] == ["class 0", "class 1", "class 7"]
        counts = [split["images"] for split in facts["splits"].values()]
        assert sum(counts) == 180
        assert min(counts) >= 3
        for left_out in ("notes.png", "blank.png"):
            assert left_out in done.stderr


class TestTrain:
    def test_pictures_of_ones_own_are_learnt_and_told_on_the_device(
        self, cli: Cli, own_pictures: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "lenet", "--epochs", "12", "--batch-size", "16")
        done = cli("train", "--data", own_pictures, *options, "--out", run)
        assert done.returncode == 0, done.stderr
        done = cli("export", run, "--quantize")
        assert done.returncode == 0, done.stderr
        picture = own_pictures / "class 7" / "3.png"
        model = run / "mnist-edge-int8.onnx"
        answer = cli("predict", picture, "--model", model, "--format", "jsonl")
        told = json.loads(answer.stdout)
        assert (told["digit"], told["label"]) == (2, "class 7")
        assert len(told["probabilities"]) == 3
        report = json.loads(cli("evaluate", run, "--json").stdout)
        assert report["accuracy"] > 0.8
        assert [scores["label"] for scores in report["classes"]] == list(Model.load(model).labels)
        assert report["int8"]["file"] == model.name

    def test_a_run_on_ones_own_pictures_is_one_of_those_pictures(
        self, cli: Cli, own_pictures: Path, tmp_path: Path
    ) -> None:
        """Whatever their folder is called, and whatever becomes of it."""
        pictures, run = tmp_path / "mnist", tmp_path / "run"
        shutil.copytree(own_pictures, pictures)
        options = ("--arch", "mlp", "--epochs", "1", "--data", pictures.name)
        done = cli("train", *options, "--out", run, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        scored = json.loads(cli("evaluate", run, "--json").stdout)
        assert scored["dataset"] == "folder mnist"
        assert scored["images"] < 60
        again = ("--config", run / "recipe.toml", "--seed", "1", "--out", tmp_path / "again")
        assert cli("train", *again).returncode == 0

        elsewhere = cli("evaluate", run, "--data", own_pictures, "--json", "--split", "validation")
        assert elsewhere.returncode == 0, elsewhere.stderr
        for number in range(20):
            (pictures / "class 7" / f"{number}.png").unlink()
        done = cli("train", "--resume", "--out", run)
        assert done.returncode == 2
        assert "are not those that it began with" in done.stderr.splitlines()[-1]
        done = cli("evaluate", run, "--split", "validation")
        assert done.returncode == 2
        assert "may have seen these" in done.stderr.splitlines()[-1]
        shutil.rmtree(pictures)
        assert "point --data at it" in one_line_error(cli("evaluate", run), 1)

    def test_what_is_for_digits_is_refused_for_other_things(
        self, cli: Cli, own_pictures: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--arch", "mlp", "--epochs", "1", "--data", own_pictures)
        assert cli("train", *options, "--out", run).returncode == 0
        for option in ("--robustness", "--rejection"):
            done = cli("evaluate", run, option)
            assert done.returncode == 2
            assert "only digits are photographed" in done.stderr.splitlines()[-1]
        done = cli("train", *options, "--photos", "100", "--out", tmp_path / "other")
        assert done.returncode == 2
        assert "use --photos 0" in done.stderr.splitlines()[-1]

    def test_fine_tuned_a_network_of_ten_digits_tells_three_classes(
        self, cli: Cli, trained_run: Path, own_pictures: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        options = ("--from", trained_run, "--batch-size", "16", "--lr", "0.004")
        done = cli("train", "--data", own_pictures, *options, "--out", run)
        assert done.returncode == 0, done.stderr
        assert json.loads(cli("evaluate", run, "--json").stdout)["accuracy"] > 0.9

    @pytest.mark.skipif(not CLOTHES.is_dir(), reason="apt-get install dataset-fashion-mnist")
    def test_clothes_are_told_by_their_names(self, cli: Cli, tmp_path: Path) -> None:
        run = tmp_path / "run"
        options = ("--dataset", "fashion-mnist", "--data", CLOTHES, "--arch", "mlp")
        done = cli("train", *options, "--recipe", "classic", "--epochs", "1", "--out", run)
        assert done.returncode == 0, done.stderr
        done = cli("export", run, "--data", CLOTHES)
        assert done.returncode == 0, done.stderr
        images = CLOTHES / "t10k-images-idx3-ubyte.gz"
        model = run / "mnist-edge-fp32.onnx"
        answers = cli("predict", images, "--model", model, "--format", "csv").stdout.splitlines()
        labels = load_labels(CLOTHES / "t10k-labels-idx1-ubyte.gz")
        told = [row["label"] for row in csv.DictReader(answers)]
        names = Model.load(model).labels
        right = sum(names[label] == name for label, name in zip(labels, told, strict=True))
        assert right / len(labels) > 0.7

    def test_a_run_is_repeated_from_its_recipe(self, cli: Cli, tmp_path: Path) -> None:
        options = ("--arch", "mlp", "--recipe", "classic", "--epochs", "1", "--lr", "0.001")
        for name, how in (
            ("one", options),
            ("two", ("--config", tmp_path / "one" / "recipe.toml")),
        ):
            done = cli("train", *how, "--out", tmp_path / name)
            assert done.returncode == 0, done.stderr
        one, two = (
            next(csv.DictReader((tmp_path / name / "history.csv").read_text().splitlines()))
            for name in ("one", "two")
        )
        assert one["val_loss"] == two["val_loss"]
        recipe = tomllib.loads((tmp_path / "two" / "recipe.toml").read_text())
        assert (recipe["lr"], recipe["optimizer"]) == (0.001, "adam")
        compared = cli("runs", tmp_path / "one", tmp_path / "two")
        assert compared.returncode == 0, compared.stderr
        assert float(one["val_accuracy"]) > 0.9

    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (("--config", "RECIPE"), 2, "did you mean 'epochs'?"),
            (("--recipe", "clasic"), 2, "did you mean 'classic'"),
            (("--recipe", "classic", "--config", "RECIPE"), 2, "choose one"),
            (("--recipe", "classic", "--fast"), 2, "--recipe and --fast: choose one"),
            (("--teacher", "nobody.onnx"), 2, "nobody.onnx: no such model file"),
            (("--optimizer", "adm"), 2, "--optimizer adm: unknown; choose one of adamw"),
            (("--dataset", "fashon-mnist"), 2, "did you mean 'fashion-mnist'"),
            (("--from", "nowhere"), 2, "no such checkpoint"),
            (("--data", "README.md"), 1, "--data takes the folder that it is in"),
        ],
    )
    def test_a_mistake_is_told_in_a_line(
        self, cli: Cli, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
    ) -> None:
        recipe = tmp_path / "recipe.toml"
        recipe.write_text("epoch = 3\n")
        given = [str(recipe) if argument == "RECIPE" else argument for argument in arguments]
        done = cli("train", *given, "--out", tmp_path / "run")
        assert says in one_line_error(done, code)
        assert not (tmp_path / "run").exists()

    def test_a_folder_with_one_class(self, cli: Cli, own_pictures: Path, tmp_path: Path) -> None:
        shutil.copytree(own_pictures / "class 7", tmp_path / "only" / "class 7")
        done = cli("train", "--data", tmp_path / "only", "--out", tmp_path / "run")
        assert "takes two" in one_line_error(done, 1)

    def test_a_run_that_diverges(self, cli: Cli, tmp_path: Path) -> None:
        options = ("--arch", "mlp", "--recipe", "classic", "--optimizer", "sgd", "--lr", "1e6")
        done = cli("train", *options, "--out", tmp_path / "run")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert "no longer finite in epoch 1; start again with a smaller --lr" in last
        assert "Traceback" not in done.stderr

    def test_a_full_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        options = ("--arch", "mlp", "--recipe", "classic", "--epochs", "1")
        done = on_a_small_disk(disk, "train", *options, "--out", disk / "run")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        last = done.stderr.splitlines()[-1]
        assert "best.pt: cannot be written" in last


def load_labels(path: Path) -> list[int]:
    import gzip

    return list(gzip.decompress(path.read_bytes())[8:])


def test_the_architectures_are_listed(cli: Cli) -> None:
    done = cli("models", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["arch"]: row for row in json.loads(done.stdout)}
    # Counted by hand, from the layers.
    assert rows["lenet"]["parameters"] == 61_706
    assert rows["lenet"]["macs"] == 28**2 * 25 * 6 + 100 * 150 * 16 + 400 * 120 + 120 * 84 + 840
    assert rows["mlp"]["parameters"] == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    # What LeNet's original claims, and what each was trained for.
    assert min(rows["lenet"]["test_accuracy_int8"]) > 0.9879
    assert "lenet" in cli("models").stdout


class TestDefault:
    """train, evaluate, export, with the network that is shipped."""

    def test_one_epoch_is_already_usable(self, trained_run: Path) -> None:
        for name in ("best.pt", "last.pt", "config.json", "history.csv", "curves.png"):
            assert (trained_run / name).stat().st_size > 0
        (row,) = csv.DictReader((trained_run / "history.csv").read_text().splitlines())
        assert float(row["val_accuracy"]) > 0.97

    def test_a_run_is_not_overwritten(self, cli: Cli, trained_run: Path) -> None:
        done = cli("train", "--epochs", "1", "--out", trained_run)
        assert "--resume" in one_line_error(done, 2)

    def test_resuming_with_other_options_is_refused(self, cli: Cli, trained_run: Path) -> None:
        done = cli("train", "--resume", "--out", trained_run, "--lr", "1", "--seed", "0")
        message = one_line_error(done, 2)
        assert "--lr" in message
        assert "--seed" not in message

    def test_robustness_is_scored_beside_the_naive_way(self, cli: Cli) -> None:
        options = ("evaluate", "mnist-edge-int8", "--robustness", "--split", "validation")
        done = cli(*options, "--pictures", "4", "--json")
        assert done.returncode == 0, done.stderr
        scores = json.loads(done.stdout)
        assert scores["pictures"] == 4
        middle = scores["mean"][1]
        assert middle["front_end"] > middle["naive"]

    def test_what_a_least_confidence_keeps_back(self, cli: Cli, tmp_path: Path) -> None:
        options = ("--rejection", "--split", "validation", "--json", "--out", tmp_path)
        done = cli("evaluate", "mnist-edge-int8", *options)
        assert done.returncode == 0, done.stderr
        curve = json.loads(done.stdout)
        right = [point["right"] for point in curve]
        chosen = Model.load("mnist-edge-int8").min_confidence
        (point,) = (point for point in curve if point["threshold"] == chosen)
        assert point["right"] >= 0.985 * right[0]
        assert point["no_digit"] < 0.7
        assert (tmp_path / "rejection.png").exists()

    def test_evaluate_a_run(self, cli: Cli, trained_run: Path) -> None:
        done = cli("evaluate", trained_run, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["accuracy"] > 0.97
        assert len(report["classes"]) == 10
        assert (trained_run / "confusion-test.png").exists()
        text = cli("evaluate", trained_run, "--split", "validation").stdout
        assert "5,000 validation images" in text
        assert "macro" in text

    def test_export_and_use(self, cli: Cli, trained_run: Path, tmp_path: Path) -> None:
        done = cli("export", trained_run, "--quantize", "--output", tmp_path / "mine.onnx")
        assert done.returncode == 0, done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines()[:4]] == [
            "precision",
            "torch",
            "fp32",
            "int8",
        ]
        assert "next: mnist-edge predict" in done.stderr
        int8 = tmp_path / "mine-int8.onnx"
        answer = cli("predict", "samples/0-mnist.png", "--model", int8, "--format", "jsonl")
        assert json.loads(answer.stdout)["digit"] == 0
        facts = json.loads(cli("info", int8, "--json").stdout)
        assert facts["model"]["epoch"] == "1"

    def test_interrupted_training_can_be_resumed(self, cli: Cli, tmp_path: Path) -> None:
        run = tmp_path / "run"
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "mnist_edge", "train", "--arch", "mlp"),
                *("--epochs", "3", "--photos", "0", "--out", run),
            ],
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
        assert f"--resume --out {run}" in rest
        assert "Traceback" not in rest
        done = cli("train", "--resume", "--out", run)
        assert done.returncode == 0, done.stderr
        assert len((run / "history.csv").read_text().splitlines()) == 4

    def test_a_report_opens_offline(self, cli: Cli, trained_run: Path, tmp_path: Path) -> None:
        done = cli("report", trained_run, "--output", tmp_path / "report.html")
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        report = json.loads((trained_run / "evaluation-test.json").read_text())
        assert f"{report['accuracy']:.2%}" in page
        assert page.count("data:image/png;base64,") >= 6
        assert 'src="http' not in page
        assert "<script" not in page
