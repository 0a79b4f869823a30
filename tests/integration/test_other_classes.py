"""Models of other classes than the digits: every prediction has the name of its class."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier, ModelError
from mnist_edge.outputs.resumable import partial_path
from mnist_edge.outputs.sort_by_class import folder_names
from tests.conftest import Cli, Digits
from tests.foreign_models import brightness, relabelled
from tests.rows import VALIDATOR, rows

LABELS = ("dark", "T-shirt/top", "light")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that classifies pictures by their brightness."""
    path = tmp_path_factory.mktemp("models") / "brightness.onnx"
    path.write_bytes(brightness(LABELS))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two dark pictures, one between, one light, and a file that is not a picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, level in (("a", 10), ("b", 30), ("c", 120), ("d", 240)):
        Image.new("RGB", (90, 60), (level, level, level)).save(folder / f"{name}.png")
    (folder / "e.png").write_bytes(b"not a picture")
    return folder


def test_prediction_has_the_name_of_its_class(model: Path, pictures: Path) -> None:
    classifier = DigitClassifier(model)
    predictions = list(classifier.stream(sorted(pictures.iterdir())))
    labels = ["dark", "dark", "T-shirt/top", "light", None]
    assert [prediction.digit for prediction in predictions] == [0, 0, 1, 2, None]
    assert [prediction.label for prediction in predictions] == labels
    assert [prediction.to_dict()["label"] for prediction in predictions] == labels
    alone = classifier.predict(pictures / "c.png")
    assert alone.to_dict() == predictions[2].to_dict()
    assert alone.top(3)[0] == (1, alone.confidence)
    assert alone.image is not None
    assert (alone.image == 120).all()


def test_prediction_of_a_digit_has_no_label_in_its_json(samples: Path) -> None:
    prediction = DigitClassifier().predict(samples / "7-pen.png")
    assert (prediction.digit, prediction.label) == (7, "7")
    assert list(prediction.to_dict()) == ["path", "digit", "confidence", "probabilities", "error"]


def test_labels_change_nothing_but_the_label(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "german.onnx"
    path.write_bytes(relabelled(GERMAN))
    files = sorted(samples.glob("*.*g"))
    labelled, plain = (list(DigitClassifier(name).stream(files)) for name in (path, None))
    assert len(files) == 30
    for file, german, digit in zip(files, labelled, plain, strict=True):
        assert german.label == GERMAN[int(file.name[0])]
        row = german.to_dict()
        assert row.pop("label") == german.label
        assert row == digit.to_dict()


def test_rejected_prediction_names_the_class_in_its_error(model: Path, pictures: Path) -> None:
    prediction = DigitClassifier(model, min_confidence=1).predict(pictures / "c.png")
    assert prediction.digit is None
    assert prediction.label is None
    assert prediction.to_dict()["label"] is None
    assert "unsure; T-shirt/top has a confidence of" in (prediction.error or "")


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_json_follows_the_published_schema(
    cli: Cli, model: Path, pictures: Path, samples: Path, kind: str
) -> None:
    done = cli("predict", pictures, "--model", model, "--format", kind, "--top-k", "2")
    assert done.returncode == 1
    records = rows(done.stdout) if kind == "jsonl" else json.loads(done.stdout)
    for row in records:
        VALIDATOR.validate(row)
        assert list(row)[-1] == "label"
    assert [row["label"] for row in records] == ["dark", "dark", "T-shirt/top", "light", None]
    assert [len(row["top"]) for row in records] == [2, 2, 2, 2, 0]
    assert [place["label"] for place in records[3]["top"]] == ["light", "T-shirt/top"]
    assert not VALIDATOR.is_valid({**records[0], "label": None})
    assert not VALIDATOR.is_valid({**records[4], "label": "dark"})
    digit = rows(cli("predict", samples / "7-pen.png", "--format", "jsonl").stdout)[0]
    for document in (records[0], digit):
        short = {**document, "probabilities": document["probabilities"][:1]}
        assert not VALIDATOR.is_valid(short)
    assert not VALIDATOR.is_valid({**digit, "probabilities": records[0]["probabilities"]})


def test_csv_has_a_column_per_class_and_the_label_last(
    cli: Cli, model: Path, pictures: Path
) -> None:
    done = cli("predict", pictures, "--model", model, "--format", "csv", "--top-k", "3")
    assert done.stdout.splitlines()[0] == (
        "path,digit,confidence,probability_0,probability_1,probability_2,error,top,label"
    )
    records = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in records] == ["dark", "dark", "T-shirt/top", "light", ""]
    assert records[3]["top"].split() == ["2", "1", "0"]
    assert records[4]["probability_2"] == ""
    assert "not an image" in records[4]["error"]


def test_table_and_summary_show_labels(cli: Cli, model: Path, pictures: Path) -> None:
    done = cli("predict", pictures, "--model", model, "--top-k", "2", "--summary")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["class", "confidence", "next", "best", "image"]
    assert [line.split()[0] for line in lines] == ["dark", "dark", "T-shirt/top", "light", "-"]
    column = header.index("image")
    assert all(line[column:].startswith(str(pictures)) for line in lines)
    counts = [line.split()[:2] for line in done.stderr.splitlines() if "T-shirt/top" in line]
    assert counts == [["T-shirt/top", "1"]]
    assert "   class   pictures" in done.stderr


def test_model_may_have_more_than_ten_classes(cli: Cli, tmp_path: Path) -> None:
    labels = [f"level {index}" for index in range(12)]
    model, levels = tmp_path / "many.onnx", np.linspace(0, 255, 12).round().astype(np.uint8)
    model.write_bytes(brightness(labels))
    np.save(tmp_path / "all.npy", np.tile(levels[:, np.newaxis, np.newaxis], (1, 28, 28)))
    options = ("--model", model, "--format", "jsonl", "--top-k", "12")
    records = rows(cli("predict", tmp_path / "all.npy", *options).stdout)
    assert [row["label"] for row in records] == labels
    assert [place["label"] for place in records[11]["top"]] == labels[::-1]
    for row in records:
        VALIDATOR.validate(row)


@pytest.mark.parametrize("top_k", [4, 11])
def test_top_k_above_the_number_of_classes_writes_nothing(
    cli_in_process: Cli, model: Path, pictures: Path, tmp_path: Path, top_k: int
) -> None:
    options = () if top_k == 11 else ("--model", model)
    output = tmp_path / "out.csv"
    done = cli_in_process("predict", pictures, *options, "--top-k", top_k, "--output", output)
    assert done.returncode == 2
    assert done.stderr == (
        f"mnist-edge: --top-k {top_k}: the model has {top_k - 1} classes; list no more\n"
    )
    assert not output.exists()


def test_several_processes_write_what_one_does(
    cli: Cli, model: Path, tmp_path: Path, test_digits: Digits
) -> None:
    np.save(tmp_path / "many.npy", np.tile(test_digits[0][:2500], (2, 1, 1)) // 3 * 2)
    alone, together = (
        cli("predict", tmp_path / "many.npy", "--model", model, "--format", "csv", "--workers", n)
        for n in ("1", "2")
    )
    assert alone.returncode == together.returncode == 0
    assert len(alone.stdout.splitlines()) == 5001
    assert together.stdout == alone.stdout


class TestSortInto:
    def test_each_class_has_a_folder(
        self, cli: Cli, model: Path, pictures: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "sorted"
        cli("predict", pictures, "--model", model, "--sort-into", target)
        assert {str(path.relative_to(target)) for path in target.rglob("*.png")} == {
            "T-shirt_top/c.png",
            "dark/a.png",
            "dark/b.png",
            "light/d.png",
            "unsure/e.png",
        }

    def test_folder_names_are_safe_and_differ(self) -> None:
        folder_of = {
            "T-shirt/top": "T-shirt_top",
            "T-shirt_top": "T-shirt_top-2",
            "..": "__",
            ".git": "_git",
            "a\\b": "a_b",
            "Unsure": "Unsure-2",
            "A": "A",
            "a": "a-2",
            "ok": "ok",
        }
        assert folder_names(tuple(folder_of)) == tuple(folder_of.values())
        assert folder_names(tuple("0123456789")) == tuple("0123456789")


class TestResuming:
    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    @pytest.mark.parametrize("top_k", [1, 2])
    def test_rows_of_an_earlier_run_are_counted_and_sorted(
        self, cli: Cli, model: Path, pictures: Path, tmp_path: Path, kind: str, top_k: int
    ) -> None:
        whole, output = tmp_path / "whole", tmp_path / "rows"
        options = ("--model", model, "--format", kind, "--top-k", str(top_k))
        cli("predict", pictures, *options, "--output", whole)
        lines = whole.read_bytes().splitlines(keepends=True)
        partial_path(output).write_bytes(b"".join(lines[:-2]) + b"half a row")
        resume = ("--resume", "--summary", "--sort-into", tmp_path / "sorted")
        done = cli("predict", pictures, *options, "--output", output, *resume)
        assert done.returncode == 1
        assert output.read_bytes() == whole.read_bytes()
        assert "3 of them were predicted before" in done.stderr
        assert "       dark          2" in done.stderr
        assert (tmp_path / "sorted" / "T-shirt_top" / "c.png").exists()

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_rows_of_another_model_are_refused(
        self, model: Path, pictures: Path, tmp_path: Path, cli: Cli, kind: str
    ) -> None:
        output, other = tmp_path / "rows", tmp_path / "other.onnx"
        options = ("--output", output, "--format", kind)
        cli("predict", pictures, "--model", model, *options)
        output.replace(partial_path(output))
        other.write_bytes(brightness(("night", "dusk", "day")))
        for name in (other, "mnist-edge-int8"):
            done = cli("predict", pictures, "--model", name, *options, "--resume")
            assert done.returncode == 2
            assert "not what this command writes" in done.stderr
            assert not output.exists()


def test_preview_is_as_bright_as_the_picture(cli: Cli, model: Path, tmp_path: Path) -> None:
    picture = Image.new("L", (56, 56), 255)
    picture.paste(0, (0, 0, 28, 56))
    picture.save(tmp_path / "half.png")
    options = ("--model", model, "--show", "--save-preprocessed", tmp_path / "seen")
    done = cli("predict", tmp_path / "half.png", *options)
    caption, *drawn = done.stderr.splitlines()
    assert caption.startswith("T-shirt/top  ")
    half = "@" * 14 + " " * 14
    assert drawn == [f"{half} | {half}"] * 14
    with Image.open(tmp_path / "seen" / "half.png") as seen:
        assert np.asarray(seen)[:, 13:15].tolist() == [[0, 255]] * 28


def test_info_shows_labels_and_preprocessing(cli: Cli, model: Path) -> None:
    facts = json.loads(cli("info", model, "--json").stdout)
    assert facts["model"] == {"labels": ",".join(LABELS), "preprocessing": "plain-1"}
    assert facts["file"]["output"] == "probabilities: float32 [batch, 3]"


def test_model_of_a_newer_version_is_one_line(cli: Cli, tmp_path: Path, samples: Path) -> None:
    path = tmp_path / "new.onnx"
    path.write_bytes(brightness(LABELS, preprocessing="plain-9"))
    done = cli("predict", samples / "7-pen.png", "--model", path)
    assert done.returncode == 2
    assert done.stderr == (
        f"mnist-edge: {path}: is of a newer version (its preprocessing is 'plain-9'); "
        "upgrade mnist-edge\n"
    )
    with pytest.raises(ModelError):
        DigitClassifier(path)
